//! Every method of a TLS transport, called from every callback of its protocol: nothing is borrowed across a call, the
//! story stays in order, and the connection is lost once.

#![cfg(feature = "tls")]

#[path = "common/certificates.rs"]
mod certificates;

use std::cell::{Cell, RefCell};
use std::io::IoSlice;
use std::rc::{Rc, Weak};
use std::time::Duration;

use certificates::Authority;
use waterwheel::{
    AfterEof, BufferedProtocol, ConnectionError, EventLoop, Protocol, ReceiveBuffer, StreamReader, StreamWriter,
    TlsClient, TlsServer, Transport, get_running_loop, start_server, timeout, yield_now,
};

const TRIGGERS: [&str; 8] = ["made", "get_buffer", "data", "updated", "eof", "lost", "pause", "resume"];

/// A name, and what to do with the transport.
type Action = (&'static str, fn(&Rc<dyn Transport>));

const ACTIONS: [Action; 14] = [
    ("write", |t| t.write(b"abc")),
    ("write much", |t| t.write(&vec![7; 300_000])),
    ("writelines", |t| t.writelines(&[IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"b")])),
    ("close", |t| t.close()),
    ("write and close", |t| {
        t.write(b"abc");
        t.close();
        t.write(b"dropped");
    }),
    ("abort", |t| t.abort()),
    ("close and abort", |t| {
        t.close();
        t.abort();
        t.close();
    }),
    ("pause and resume", |t| {
        t.pause_reading();
        t.resume_reading();
    }),
    ("pause, and resume later", |t| {
        t.pause_reading();
        let later = Rc::clone(t);
        get_running_loop().call_soon(move || later.resume_reading());
    }),
    ("resume", |t| t.resume_reading()),
    ("low marks", |t| t.set_write_buffer_limits(Some(0), None)),
    ("ask", |t| {
        let _ = (t.is_closing(), t.is_reading(), t.get_write_buffer_size(), t.get_write_buffer_limits());
        let _ = (t.can_write_eof(), t.extra_info().tls().is_some(), format!("{t:?}"));
    }),
    ("set the same protocol", |t| {
        if let Some(protocol) = t.get_protocol() {
            t.set_protocol(protocol);
        }
    }),
    ("panic", |_| panic!("as the test asked for")),
];

struct Actor {
    words: RefCell<Vec<&'static str>>,
    transport: RefCell<Option<Rc<dyn Transport>>>,
    trigger: &'static str,
    action: Action,
    acted: Cell<usize>,
    buffered: bool,
}

impl Actor {
    fn on(&self, word: &'static str) {
        self.words.borrow_mut().push(word);
        // Once is enough, and twice might go on for ever.
        if word != self.trigger || self.acted.get() > 0 {
            return;
        }
        self.acted.set(1);
        let transport = self.transport.borrow().clone().expect("made comes first");
        let before = self.words.borrow().len();
        (self.action.1)(&transport);
        let inside = self.words.borrow()[before..].to_vec();
        assert!(inside.iter().all(|word| ["pause", "resume"].contains(word)), "called from inside a call: {inside:?}");
    }
}

impl Protocol for Actor {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.set_write_buffer_limits(Some(10_000), None);
        // Else the kernel's buffers may grow to more than what is written below.
        transport.extra_info().socket().expect("it is open").set_send_buffer_size(16_384).expect("it can be set");
        self.transport.replace(Some(Rc::clone(&transport)));
        self.on("made");
        // More than the marks and than the kernel takes at once: pause and resume follow.
        transport.write(&vec![1; 1_000_000]);
        transport.write(b".");
    }
    fn data_received(&self, _data: &[u8]) {
        self.on("data");
    }
    fn eof_received(&self) -> AfterEof {
        self.on("eof");
        AfterEof::KeepOpen
    }
    fn connection_lost(&self, _error: Option<ConnectionError>) {
        self.on("lost");
    }
    fn pause_writing(&self) {
        self.on("pause");
    }
    fn resume_writing(&self) {
        self.on("resume");
    }
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.buffered.then_some(self)
    }
}

impl BufferedProtocol for Actor {
    fn get_buffer(&self) -> ReceiveBuffer {
        self.on("get_buffer");
        ReceiveBuffer::new(100)
    }
    fn buffer_updated(&self, _buffer: ReceiveBuffer, _received: usize) {
        self.on("updated");
    }
}

/// In order: made first, lost last and once, eof at most once, pause and resume in turns.
fn assert_order(words: &[&str], case: &str) {
    assert_eq!(words.first(), Some(&"made"), "{case}: {words:?}");
    assert_eq!(words.last(), Some(&"lost"), "{case}: {words:?}");
    let count = |word| words.iter().filter(|one| **one == word).count();
    assert_eq!((count("made"), count("lost")), (1, 1), "{case}: {words:?}");
    assert!(count("eof") <= 1, "{case}: {words:?}");
    if let Some(eof) = words.iter().position(|word| *word == "eof") {
        let after = &words[eof..];
        assert!(!after.iter().any(|word| ["data", "updated"].contains(word)), "{case}: {words:?}");
    }
    let turns: Vec<_> = words.iter().filter(|word| ["pause", "resume"].contains(word)).collect();
    for (number, word) in turns.iter().enumerate() {
        assert_eq!(**word, ["pause", "resume"][number % 2], "{case}: {words:?}");
    }
}

#[test]
fn every_method_may_be_called_from_every_callback() {
    let authority = Authority::new();
    let identity = authority.sign(&["127.0.0.1"]);
    let tls = TlsServer::new(&identity.chain, &identity.key).unwrap();
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    let mut acted = 0;
    for trigger in TRIGGERS {
        for action in ACTIONS {
            let case = format!("{} in {trigger}", action.0);
            let mut event_loop = EventLoop::new().unwrap();
            let actor = event_loop.run(async {
                timeout(Duration::from_secs(20), play(&tls, &client, trigger, action)).await.expect(&case)
            });
            assert_order(&actor.words.borrow(), &case);
            acted += actor.acted.get();
            actor.transport.take();
            let left: Weak<Actor> = Rc::downgrade(&actor);
            drop((event_loop, actor));
            assert_eq!(left.strong_count(), 0, "{case}: it is kept");
        }
    }
    assert_eq!(acted, TRIGGERS.len() * ACTIONS.len(), "every cell was played");
}

async fn play(tls: &TlsServer, client: &TlsClient, trigger: &'static str, action: Action) -> Rc<Actor> {
    get_running_loop().set_exception_handler(|_| {});
    let peer = async |mut reader: StreamReader, writer: StreamWriter| -> std::io::Result<()> {
        // Lets the other side be paused first.
        for _ in 0..3 {
            yield_now().await;
        }
        writer.write_all(&[5; 1_000]).await?;
        let mut left = 1_000_001_usize;
        while left > 0 {
            let received = reader.read(1 << 20).await?;
            if received.is_empty() {
                break;
            }
            left = left.saturating_sub(received.len());
        }
        Ok(())
    };
    let server = start_server(peer, "127.0.0.1:0").tls(tls).await.unwrap();
    let actor = Rc::new(Actor {
        words: RefCell::default(),
        transport: RefCell::default(),
        trigger,
        action,
        acted: Cell::new(0),
        buffered: ["get_buffer", "updated"].contains(&trigger),
    });
    let protocol = Rc::clone(&actor);
    let connecting = get_running_loop().create_connection(move || protocol, server.local_addrs()[0]);
    let _ = connecting.tls(client).tls_shutdown_timeout(Duration::from_millis(500)).await;
    while actor.words.borrow().last() != Some(&"lost") {
        yield_now().await;
    }
    actor
}
