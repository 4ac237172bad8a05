//! Law 5 when the protocol changes: all callbacks after `set_protocol` go to the new one.

use std::cell::OnceCell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use waterwheel::{AfterEof, BufferedProtocol, Protocol, ReceiveBuffer, Transport, get_running_loop, yield_now};

use crate::common::story::{Story, Teller};
use crate::tools::{guarded, run_clean};

/// A protocol with its own buffer that hands the connection over at the first receive without bytes.
struct HandingOver {
    story: Story,
    successor: Story,
    transport: OnceCell<Rc<dyn Transport>>,
}

impl Protocol for HandingOver {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.story.tell("made");
        let _ = self.transport.set(transport);
    }
    fn eof_received(&self) -> AfterEof {
        self.story.tell("eof");
        AfterEof::Close
    }
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }
}

impl BufferedProtocol for HandingOver {
    fn get_buffer(&self) -> ReceiveBuffer {
        ReceiveBuffer::new(64)
    }
    fn buffer_updated(&self, _buffer: ReceiveBuffer, received: usize) {
        if received == 0 {
            self.transport.get().expect("it was made").set_protocol(Teller::new(&self.successor));
        }
    }
}

#[test]
fn a_protocol_that_hands_over_before_the_end_of_the_stream_is_not_told_of_it() {
    guarded(|| {
        let (story, successor) = (Story::default(), Story::default());
        let (told, told_later) = (story.clone(), successor.clone());
        run_clean(async {
            let (near, far) = UnixStream::pair().unwrap();
            let factory =
                move || Rc::new(HandingOver { story: told, successor: told_later, transport: OnceCell::new() });
            let _connection = get_running_loop().create_connection(factory, near).await.unwrap();
            drop(far);
            while !successor.is_lost() {
                yield_now().await;
            }
        });
        assert_eq!((story.text().as_str(), successor.text().as_str()), ("made", "eof lost"));
    });
}
