//! Panics for misuse name the line of the program that is wrong, never one of this crate, through any number of
//! layers.

use std::cell::Cell;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;
use std::sync::Once;

use crate::common::polled::Polled;
use crate::common::recorder::Recorder;
use crate::common::running::run;
use waterwheel::{
    DatagramProtocol, EventLoop, ExtraInfo, Protocol, ReceiveBuffer, StreamReader, Transport, get_running_loop, spawn,
};

thread_local! {
    /// Where this thread's expected panic happened. `None` while none is expected.
    static EXPECTED: Cell<Option<String>> = const { Cell::new(None) };
}

/// Checks that `misuse` panics, and that the panic names the caller's line, which also contains the closure.
#[track_caller]
fn is_blamed<R>(misuse: impl FnOnce() -> R) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let otherwise = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if EXPECTED.take().is_none() {
                return otherwise(panic);
            }
            let location = panic.location().expect("every panic has one");
            EXPECTED.set(Some(location.to_string()));
        }));
    });
    EXPECTED.set(Some("nowhere".to_owned()));
    let outcome = catch_unwind(AssertUnwindSafe(|| drop(misuse())));
    let blamed = EXPECTED.take().expect("it was set");
    assert!(outcome.is_err(), "this does not panic");
    let caller = Location::caller();
    let expected = format!("{}:{}:", caller.file(), caller.line());
    assert!(blamed.starts_with(&expected), "{blamed} is blamed, and {expected} is to blame");
}

#[test]
fn writing_after_the_end() {
    run(async {
        let (_reader, writer, _peer) = crate::common::sockets::streams(1024).await;
        let transport = writer.transport();
        writer.write_eof();
        is_blamed(|| writer.write(b"late"));
        is_blamed(|| writer.writelines(["late"]));
        is_blamed(|| transport.write(b"late"));
        is_blamed(|| transport.writelines(&[IoSlice::new(b"late")]));
    });
}

#[test]
fn writing_to_a_read_pipe() {
    run(async {
        let (pipe, _other_end) = UnixStream::pair().unwrap();
        let (pipe, _protocol) = get_running_loop().connect_read_pipe(Recorder::new, pipe).await.unwrap();
        is_blamed(|| pipe.write(b"wrong way"));
    });
}

/// A user's own transport is one more layer.
#[test]
fn writing_through_a_transport_that_hands_on() {
    struct Layer(Rc<dyn Transport>);
    impl Transport for Layer {
        fn write(&self, data: &[u8]) {
            self.0.write(data);
        }
        fn writelines(&self, parts: &[IoSlice<'_>]) {
            self.0.writelines(parts);
        }
        fn can_write_eof(&self) -> bool {
            self.0.can_write_eof()
        }
        fn write_eof(&self) {
            self.0.write_eof();
        }
        fn close(&self) {
            self.0.close();
        }
        fn abort(&self) {
            self.0.abort();
        }
        fn is_closing(&self) -> bool {
            self.0.is_closing()
        }
        fn pause_reading(&self) {
            self.0.pause_reading();
        }
        fn resume_reading(&self) {
            self.0.resume_reading();
        }
        fn is_reading(&self) -> bool {
            self.0.is_reading()
        }
        fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) {
            self.0.set_write_buffer_limits(high, low);
        }
        fn get_write_buffer_limits(&self) -> (usize, usize) {
            self.0.get_write_buffer_limits()
        }
        fn get_write_buffer_size(&self) -> usize {
            self.0.get_write_buffer_size()
        }
        fn extra_info(&self) -> ExtraInfo {
            self.0.extra_info()
        }
        fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
            self.0.set_protocol(protocol);
        }
        fn get_protocol(&self) -> Option<Rc<dyn Protocol>> {
            self.0.get_protocol()
        }
    }
    run(async {
        let (transport, _peer) = crate::common::connected::connect(Recorder::new()).await;
        let layer: Rc<dyn Transport> = Rc::new(Layer(transport));
        layer.write_eof();
        is_blamed(|| layer.write(b"late"));
        is_blamed(|| layer.set_write_buffer_limits(Some(1), Some(2)));
    });
}

#[test]
fn marks_in_the_wrong_order() {
    struct Nothing;
    impl DatagramProtocol for Nothing {}
    run(async {
        let (transport, _peer) = crate::common::connected::connect(Recorder::new()).await;
        is_blamed(|| transport.set_write_buffer_limits(Some(1), Some(2)));
        let endpoint = get_running_loop().create_datagram_endpoint(|| Rc::new(Nothing)).local_addr(("127.0.0.1", 0));
        let (transport, _protocol) = endpoint.await.unwrap();
        is_blamed(|| transport.set_write_buffer_limits(Some(1), Some(2)));
    });
}

#[test]
fn more_than_there_is_or_may_be() {
    is_blamed(|| StreamReader::new(0));
    let mut buffer = ReceiveBuffer::new(10);
    is_blamed(|| buffer.advance(11));
    is_blamed(|| buffer.consume(1));
    run(async {
        let (mut reader, feeder) = StreamReader::new(10);
        feeder.feed_data(b"abc");
        reader.fill_buf().await.unwrap();
        is_blamed(|| reader.consume(4));
        feeder.feed_eof();
        is_blamed(|| feeder.feed_data(b"late"));
    });
}

#[test]
fn a_loop_inside_another_or_none() {
    let mut outer = EventLoop::new().unwrap();
    let mut inner = EventLoop::new().unwrap();
    outer.run(async {
        is_blamed(|| inner.run(async {}));
        is_blamed(|| inner.run_forever());
        is_blamed(|| waterwheel::run(async {}));
    });
    is_blamed(|| get_running_loop().time());
    is_blamed(|| spawn(async {}));
}

#[test]
fn the_panic_of_a_task_that_did_not_panic() {
    run(async {
        let task = spawn(std::future::pending::<()>());
        task.cancel();
        let cancelled = task.await.unwrap_err();
        is_blamed(|| cancelled.into_panic());
    });
}

#[test]
fn a_selector_without_a_descriptor() {
    let event_loop = EventLoop::builder().selector(Polled::by(|_, _, _| false)).build().unwrap();
    is_blamed(|| event_loop.as_fd());
}

#[cfg(feature = "tls")]
#[test]
fn halves_where_tls_has_none() {
    use waterwheel::{StreamWriter, TlsClient, TlsServer, open_connection, start_server, start_tls};

    run(async {
        let authority = crate::common::certificates::Authority::new();
        let identity = authority.sign(&["localhost"]);
        let client = TlsClient::with_roots(&authority.pem).unwrap();
        let handler = async |mut reader: StreamReader, _writer: StreamWriter| drop(reader.read(1).await);
        let server = start_server(handler, ("localhost", 0));
        let server = server.tls(TlsServer::new(&identity.chain, &identity.key).unwrap()).await.unwrap();
        let address = server.local_addrs()[0];
        let (_reader, writer) = open_connection(address).tls(&client).server_hostname("localhost").await.unwrap();
        let transport = writer.transport();
        is_blamed(|| writer.write_eof());
        is_blamed(|| transport.write_eof());
        is_blamed(|| transport.set_write_buffer_limits(Some(1), Some(2)));
        // Two halves of different connections.
        let (_reader, writer, _peer) = crate::common::sockets::streams(1024).await;
        let (reader, _writer, _other_peer) = crate::common::sockets::streams(1024).await;
        is_blamed(|| start_tls(reader, writer, client));
    });
}
