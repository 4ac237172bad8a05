//! A protocol that panics in any callback loses its own connection, and nothing else breaks.

use std::io::{ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::common::bytes::pattern;
use crate::common::connected::connect;
use crate::common::plain_peer::read_to_end;
use crate::common::recorder::Recorder;
use crate::common::running::{run, turns};
use crate::common::sockets::sockets;
use crate::common::trace::Trace;
use crate::common::until::until;
use waterwheel::{BufferedProtocol, Protocol, ReceiveBuffer, get_running_loop};

/// A protocol that panics in the callback `word` the first time.
fn panicking(word: &'static str) -> Rc<Recorder> {
    let panicked = std::cell::Cell::new(false);
    Recorder::reacting(move |told, _| {
        if told.starts_with(word) && !panicked.replace(true) {
            panic!("in {word}");
        }
    })
}

/// Checks that another connection still works.
async fn check_bystander(bystander: &Recorder, mut peer: &std::net::TcpStream) {
    peer.write_all(b"fine").unwrap();
    until("the bystander's data", || bystander.received.borrow().ends_with(b"fine")).await;
    assert_eq!(bystander.words(), ["made", "data"]);
}

#[test]
fn in_connection_made_the_connection_is_closed_and_its_creator_told() {
    run(async {
        let incidents = Trace::of_incidents();
        let (ours, peer) = sockets();
        let recorder = panicking("made");
        let protocol = Rc::clone(&recorder);
        let error = get_running_loop().create_connection(move || protocol, ours).await.err().unwrap();
        assert!(error.to_string().contains("connection_made"), "{error}");
        recorder.lost.wait().await;
        assert_eq!(recorder.words(), ["made", "lost(Other)"]);
        assert_eq!(incidents.words(), ["in made"]);
        assert!(read_to_end(&peer).await.unwrap().is_empty());
    });
}

#[test]
fn in_data_or_eof_received_the_connection_is_lost_with_an_error() {
    run(async {
        let (bystander, incidents) = (Recorder::new(), Trace::of_incidents());
        let (_transport, beside) = connect(Rc::clone(&bystander)).await;
        for (word, expected) in
            [("data", &["made", "data", "lost(Other)"][..]), ("eof", &["made", "data", "eof", "lost(Other)"])]
        {
            let recorder = panicking(word);
            let (_, peer) = connect(Rc::clone(&recorder)).await;
            (&peer).write_all(b"x").unwrap();
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            recorder.lost.wait().await;
            turns(3).await;
            assert_eq!(recorder.words(), expected);
            assert_eq!(incidents.take(), [format!("in {word}")]);
        }
        check_bystander(&bystander, &beside).await;
    });
}

#[test]
fn in_connection_lost_the_socket_is_closed_all_the_same() {
    run(async {
        let incidents = Trace::of_incidents();
        let recorder = panicking("lost");
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        transport.close();
        assert!(read_to_end(&peer).await.unwrap().is_empty());
        until("the report", || !incidents.words().is_empty()).await;
        assert_eq!(incidents.words(), ["in lost"]);
        assert_eq!(recorder.words(), ["made", "lost"]);
        assert!(transport.extra_info().socket().is_none());
    });
}

#[test]
fn in_pause_writing_the_one_who_wrote_is_not_hit_by_it() {
    run(async {
        let incidents = Trace::of_incidents();
        let recorder = panicking("pause");
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        // The writer may be another connection's protocol, as in a proxy. It must not get the panic.
        let forwarding = Rc::clone(&transport);
        let source = Recorder::reacting(move |word, _| {
            if word == "data" {
                forwarding.write(&pattern(8 << 20));
            }
        });
        let (_source, beside) = connect(Rc::clone(&source)).await;
        (&beside).write_all(b"fine").unwrap();
        assert_eq!(recorder.lost.wait().await, Some(ErrorKind::Other));
        turns(3).await;
        assert_eq!(recorder.words(), ["made", "pause", "lost(Other)"]);
        assert_eq!(source.words(), ["made", "data"]);
        assert_eq!(incidents.words(), ["in pause"]);
        drop(peer);
    });
}

#[test]
fn in_pause_writing_for_lowered_marks_it_is_the_same() {
    run(async {
        let incidents = Trace::of_incidents();
        let recorder = panicking("pause");
        let (transport, _peer) = connect(Rc::clone(&recorder)).await;
        transport.set_write_buffer_limits(Some(usize::MAX), None);
        transport.write(&pattern(8 << 20));
        let lowered = catch_unwind(AssertUnwindSafe(|| transport.set_write_buffer_limits(Some(1), None)));
        assert!(lowered.is_ok());
        assert_eq!(recorder.lost.wait().await, Some(ErrorKind::Other));
        assert_eq!(incidents.words(), ["in pause"]);
    });
}

#[test]
fn in_resume_writing_only_that_connection_is_lost() {
    run(async {
        let (bystander, incidents) = (Recorder::new(), Trace::of_incidents());
        let (_transport, beside) = connect(Rc::clone(&bystander)).await;
        let recorder = panicking("resume");
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        transport.write(&pattern(8 << 20));
        read_to_end(&peer).await.unwrap();
        assert_eq!(recorder.lost.wait().await, Some(ErrorKind::Other));
        assert_eq!(recorder.words(), ["made", "pause", "resume", "lost(Other)"]);
        assert_eq!(incidents.words(), ["in resume"]);
        check_bystander(&bystander, &beside).await;
    });
}

/// A buffered protocol that panics in one of its methods, and records its losses.
struct Lender(&'static str, Trace);

impl Lender {
    fn at(&self, place: &str) {
        if self.0 == place {
            panic!("in {place}");
        }
    }
}

impl Protocol for Lender {
    fn connection_lost(&self, error: Option<waterwheel::ConnectionError>) {
        self.1.say(format!("lost({:?})", error.map(|error| error.kind())));
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.at("buffered");
        Some(self)
    }
}

impl BufferedProtocol for Lender {
    fn get_buffer(&self) -> ReceiveBuffer {
        self.at("get_buffer");
        ReceiveBuffer::new(10)
    }

    fn buffer_updated(&self, _: ReceiveBuffer, _: usize) {
        self.at("buffer_updated");
    }
}

#[test]
fn in_any_method_of_a_buffered_protocol_the_connection_is_lost() {
    run(async {
        let incidents = Trace::of_incidents();
        for place in ["buffered", "get_buffer", "buffer_updated"] {
            let lender = Rc::new(Lender(place, Trace::default()));
            let (_, peer) = connect(Rc::clone(&lender)).await;
            (&peer).write_all(b"x").unwrap();
            until("the loss", || !lender.1.words().is_empty()).await;
            turns(3).await;
            assert_eq!(lender.1.words(), ["lost(Some(Other))"]);
            assert_eq!(incidents.take(), [format!("in {place}")]);
        }
    });
}

#[test]
fn in_the_factory_of_a_server_only_that_connection_is_closed() {
    run(async {
        let incidents = Trace::of_incidents();
        let count = std::cell::Cell::new(0);
        let served = Recorder::new();
        let protocol = Rc::clone(&served);
        let factory = move || {
            count.set(count.get() + 1);
            assert!(count.get() > 1, "in the factory");
            Rc::clone(&protocol)
        };
        let server = get_running_loop().create_server(factory, "127.0.0.1:0").await.unwrap();
        let first = std::net::TcpStream::connect(server.local_addrs()[0]).unwrap();
        first.set_nonblocking(true).unwrap();
        assert!(read_to_end(&first).await.unwrap().is_empty());
        assert_eq!(incidents.words(), ["in the factory"]);
        let second = std::net::TcpStream::connect(server.local_addrs()[0]).unwrap();
        until("the second", || served.words() == ["made"]).await;
        drop(second);
        served.lost.wait().await;
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn in_made_and_lost_it_is_reported_with_the_peer() {
    run(async {
        for word in ["made", "lost"] {
            let peers = Rc::new(std::cell::RefCell::new(Vec::new()));
            let heard = Rc::clone(&peers);
            get_running_loop().set_debug(false); // The speed of the machine does not matter here.
            get_running_loop().set_exception_handler(move |incident| {
                heard.borrow_mut().push(incident.peer().map(ToString::to_string))
            });
            let (ours, peer) = sockets();
            let name = peer.local_addr().unwrap().to_string();
            let recorder = panicking(word);
            let protocol = Rc::clone(&recorder);
            let _made_or_not = get_running_loop().create_connection(move || protocol, ours).await;
            drop(peer);
            recorder.lost.wait().await;
            turns(2).await;
            assert_eq!(*peers.borrow(), [Some(name)], "{word}");
        }
    });
}
