//! A datagram protocol that records its callbacks.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::rc::Rc;

use waterwheel::{Address, ConnectionError, DatagramProtocol, DatagramTransport, Promise};

/// An endpoint in a test: its transport and its protocol.
pub(crate) type Endpoint = (Rc<dyn DatagramTransport>, Rc<DatagramRecorder>);

/// Records its callbacks; panics, closes or echoes at a datagram if asked to.
#[derive(Default)]
pub(crate) struct DatagramRecorder {
    pub(crate) received: RefCell<Vec<(Vec<u8>, Address)>>,
    pub(crate) errors: RefCell<Vec<io::Error>>,
    /// All callbacks except for datagrams and errors, as words.
    pub(crate) story: RefCell<Vec<&'static str>>,
    pub(crate) lost: Promise<Option<ConnectionError>>,
    /// The number of the datagram at which it panics, and of the one at which it closes its endpoint.
    pub(crate) panic_at: Cell<Option<usize>>,
    pub(crate) close_at: Cell<Option<usize>>,
    transport: OnceCell<Rc<dyn DatagramTransport>>,
    echoes: bool,
}

impl DatagramRecorder {
    /// A recorder that sends each datagram back.
    pub(crate) fn echoing() -> Rc<DatagramRecorder> {
        Rc::new(DatagramRecorder { echoes: true, ..DatagramRecorder::default() })
    }

    pub(crate) fn payloads(&self) -> Vec<Vec<u8>> {
        self.received.borrow().iter().map(|(data, _)| data.clone()).collect()
    }

    pub(crate) fn error_kinds(&self) -> Vec<io::ErrorKind> {
        self.errors.borrow().iter().map(io::Error::kind).collect()
    }
}

impl DatagramProtocol for DatagramRecorder {
    fn connection_made(&self, transport: Rc<dyn DatagramTransport>) {
        self.story.borrow_mut().push("made");
        self.transport.set(transport).expect("made comes once");
    }

    fn datagram_received(&self, data: &[u8], from: &Address) {
        self.received.borrow_mut().push((data.to_vec(), from.clone()));
        let transport = self.transport.get().expect("it was made");
        if self.echoes {
            transport.sendto(data, Some(from)).expect("the sender has a name");
        }
        let count = self.received.borrow().len();
        if self.close_at.get() == Some(count) {
            transport.close();
        }
        assert_ne!(self.panic_at.get(), Some(count), "as the test asked");
    }

    fn error_received(&self, error: io::Error) {
        self.errors.borrow_mut().push(error);
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.story.borrow_mut().push("lost");
        assert!(self.lost.set(error).is_ok(), "lost comes once");
    }

    fn pause_writing(&self) {
        self.story.borrow_mut().push("pause");
    }

    fn resume_writing(&self) {
        self.story.borrow_mut().push("resume");
    }
}
