//! A user-defined layer: a protocol towards the wire, and a transport towards the application.

use std::cell::{Cell, OnceCell};
use std::io::IoSlice;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{ExtraInfo, Protocol, Transport, get_running_loop, open_connection, timeout, yield_now};

struct Layer {
    upper: OnceCell<Rc<Upper>>,
    made: Rc<Cell<bool>>,
}

/// A transport that writes a farewell before it closes.
struct Upper {
    lower: Rc<dyn Transport>,
}

impl Protocol for Layer {
    fn connection_made(&self, lower: Rc<dyn Transport>) {
        let _ = self.upper.set(Rc::new(Upper { lower })); // it is called once
        self.made.set(true);
    }

    fn transport_above(&self) -> Option<Rc<dyn Transport>> {
        self.upper.get().map(|upper| Rc::clone(upper) as _)
    }
}

impl Transport for Upper {
    fn close(&self) {
        self.lower.write(b"bye");
        self.lower.close();
    }
    fn write(&self, data: &[u8]) {
        self.lower.write(data);
    }
    fn writelines(&self, parts: &[IoSlice<'_>]) {
        self.lower.writelines(parts);
    }
    fn can_write_eof(&self) -> bool {
        false
    }
    fn write_eof(&self) {}
    fn abort(&self) {
        self.lower.abort();
    }
    fn is_closing(&self) -> bool {
        self.lower.is_closing()
    }
    fn pause_reading(&self) {}
    fn resume_reading(&self) {}
    fn is_reading(&self) -> bool {
        true
    }
    fn set_write_buffer_limits(&self, _high: Option<usize>, _low: Option<usize>) {}
    fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.lower.get_write_buffer_limits()
    }
    fn get_write_buffer_size(&self) -> usize {
        self.lower.get_write_buffer_size()
    }
    fn extra_info(&self) -> ExtraInfo {
        self.lower.extra_info()
    }
    fn set_protocol(&self, _protocol: Rc<dyn Protocol>) {}
    fn get_protocol(&self) -> Option<Rc<dyn Protocol>> {
        None
    }
}

#[test]
fn a_server_closes_the_topmost_transport_of_a_client() {
    let main = async {
        let made = Rc::new(Cell::new(false));
        let told = Rc::clone(&made);
        let factory = move || Rc::new(Layer { upper: OnceCell::new(), made: Rc::clone(&told) });
        let server = get_running_loop().create_server(factory, "127.0.0.1:0").await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        while !made.get() {
            yield_now().await;
        }
        server.close_clients();
        assert_eq!(reader.read_to_end().await.unwrap(), b"bye");
    };
    waterwheel::run(async { timeout(Duration::from_secs(30), main).await.expect("the test hangs") });
}
