//! Protocols that lend their own buffer, and a switch between the two kinds of protocol in the middle of a stream.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Write};
use std::rc::Rc;

use crate::common::bytes::pattern;
use crate::common::connected::connect;
use crate::common::recorder::Recorder;
use crate::common::running::run;
use crate::common::trace::Trace;
use crate::common::until::until;
use waterwheel::{AfterEof, BufferedProtocol, ConnectionError, Protocol, ReceiveBuffer};

/// Lends a fresh buffer of a fixed size for each receive, and records how many bytes came.
struct Lender {
    size: usize,
    trace: Trace,
    received: RefCell<Vec<u8>>,
    lent: Cell<u32>,
}

impl Lender {
    fn new(size: usize) -> Rc<Lender> {
        Rc::new(Lender { size, trace: Trace::default(), received: RefCell::default(), lent: Cell::new(0) })
    }
}

impl Protocol for Lender {
    fn eof_received(&self) -> AfterEof {
        self.trace.say("eof");
        AfterEof::Close
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.trace.say(error.map_or("lost".into(), |error| format!("lost({error})")));
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }
}

impl BufferedProtocol for Lender {
    fn get_buffer(&self) -> ReceiveBuffer {
        self.lent.set(self.lent.get() + 1);
        ReceiveBuffer::new(self.size)
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        self.lent.set(self.lent.get() - 1);
        assert_eq!(buffer.len(), received);
        self.received.borrow_mut().extend_from_slice(buffer.filled());
        if received > 0 {
            self.trace.say(received.to_string());
        }
    }
}

#[test]
fn six_bytes_come_into_a_buffer_of_four_as_four_and_two() {
    run(async {
        let (ours, peer) = crate::common::sockets::sockets();
        (&peer).write_all(b"abcdef").unwrap();
        drop(peer);
        let lender = Lender::new(4);
        let protocol = Rc::clone(&lender);
        waterwheel::get_running_loop().create_connection(move || protocol, ours).await.unwrap();
        until("the loss", || lender.trace.last_is("lost")).await;
        assert_eq!(lender.trace.words(), ["4", "2", "eof", "lost"]);
        assert_eq!(*lender.received.borrow(), b"abcdef");
        assert_eq!(lender.lent.get(), 0, "every buffer came back");
    });
}

#[test]
fn nine_kilobytes_come_through_small_buffers_and_the_answer_goes_back() {
    run(async {
        let lender = Lender::new(100);
        let (transport, peer) = connect(Rc::clone(&lender)).await;
        let data = pattern(9 * 1024);
        (&peer).write_all(&data).unwrap();
        until("all", || lender.received.borrow().len() == data.len()).await;
        assert!(*lender.received.borrow() == data);
        transport.write(b"1");
        assert_eq!(crate::common::plain_peer::read_exactly(&peer, 1).await, b"1");
        drop(peer);
        until("the loss", || lender.trace.last_is("lost")).await;
    });
}

#[test]
fn a_buffer_without_room_loses_the_connection_with_an_error_that_says_so() {
    run(async {
        let incidents = Trace::of_incidents();
        let lender = Lender::new(0);
        let (_, peer) = connect(Rc::clone(&lender)).await;
        (&peer).write_all(b"x").unwrap();
        until("the loss", || !lender.trace.words().is_empty()).await;
        let words = lender.trace.words();
        assert_eq!(words.len(), 1);
        assert!(words[0].starts_with("lost(") && words[0].contains("get_buffer"), "{words:?}");
        assert_eq!(lender.lent.get(), 0);
        drop(incidents);
    });
}

#[test]
fn a_stream_may_change_between_plain_and_buffered_protocols_at_any_time() {
    run(async {
        let (plain, lender, last) = (Recorder::new(), Lender::new(3), Recorder::new());
        let (transport, peer) = connect(Rc::clone(&plain)).await;
        (&peer).write_all(b"plain").unwrap();
        until("plain", || plain.received.borrow().len() == 5).await;
        transport.set_protocol(lender.clone());
        (&peer).write_all(b"lends").unwrap();
        until("buffered", || lender.received.borrow().len() == 5).await;
        assert_eq!(lender.trace.words(), ["3", "2"]);
        transport.set_protocol(last.clone());
        (&peer).write_all(b"again").unwrap();
        drop(peer);
        assert_eq!(last.lost.wait().await, None);
        assert_eq!(*last.received.borrow(), b"again");
        assert_eq!(last.words(), ["data", "eof", "lost"]);
        assert_eq!((plain.words().len(), lender.trace.words().len()), (2, 2));
    });
}

#[test]
fn the_change_may_come_from_inside_a_callback_and_the_next_bytes_go_to_the_new_one() {
    run(async {
        let (ours, peer) = crate::common::sockets::sockets();
        (&peer).write_all(b"abcdefgh").unwrap();
        let plain = Recorder::new();
        /// Hands the connection over to the recorder after the first bytes.
        struct Once(Rc<Recorder>, RefCell<Vec<u8>>, RefCell<Option<Rc<dyn waterwheel::Transport>>>);
        impl Protocol for Once {
            fn connection_made(&self, transport: Rc<dyn waterwheel::Transport>) {
                self.2.replace(Some(transport));
            }
            fn buffered(&self) -> Option<&dyn BufferedProtocol> {
                Some(self)
            }
        }
        impl BufferedProtocol for Once {
            fn get_buffer(&self) -> ReceiveBuffer {
                ReceiveBuffer::new(3)
            }
            fn buffer_updated(&self, buffer: ReceiveBuffer, _: usize) {
                self.1.borrow_mut().extend_from_slice(buffer.filled());
                self.2.take().unwrap().set_protocol(self.0.clone());
            }
        }
        let once = Rc::new(Once(Rc::clone(&plain), RefCell::default(), RefCell::default()));
        let protocol = Rc::clone(&once);
        waterwheel::get_running_loop().create_connection(move || protocol, ours).await.unwrap();
        until("the rest", || plain.received.borrow().len() == 5).await;
        assert_eq!((&once.1.borrow()[..], &plain.received.borrow()[..]), (&b"abc"[..], &b"defgh"[..]));
        drop(peer);
        assert_eq!(plain.lost.wait().await, None::<ErrorKind>);
    });
}
