//! Law 10: written is sent. The bytes that one step wrote can be read by the peer before the next step runs.
//!
//! The peer is the other end of a Unix socket pair: bytes that the kernel took can be read there at once.

use std::cell::RefCell;
use std::io::{IoSlice, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use waterwheel::{EventLoop, Protocol, Transport, get_running_loop, spawn, yield_now};

use crate::tools::{guarded, run_clean};

struct Quiet;
impl Protocol for Quiet {}

#[derive(Default)]
struct Answering(std::cell::OnceCell<Rc<dyn Transport>>);

impl Protocol for Answering {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.write(b"hello");
        let _ = self.0.set(transport);
    }

    fn data_received(&self, data: &[u8]) {
        let transport = self.0.get().expect("it was made");
        transport.write(b"<");
        transport.write(data);
        transport.write(b">");
    }
}

struct Peer(RefCell<UnixStream>);

impl Peer {
    /// The bytes that can be read without waiting.
    fn readable(&self) -> String {
        let mut buffer = [0; 1 << 17];
        let read = self.0.borrow_mut().read(&mut buffer);
        read.map_or_else(|error| format!("{:?}", error.kind()), |n| String::from_utf8_lossy(&buffer[..n]).into_owned())
    }

    fn send(&self, text: &str) {
        self.0.borrow_mut().write_all(text.as_bytes()).unwrap();
    }
}

async fn connect<P: Protocol + 'static>(protocol: P) -> (Rc<dyn Transport>, Rc<Peer>) {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let (transport, _) = get_running_loop().create_connection(|| Rc::new(protocol), near).await.unwrap();
    (transport, Rc::new(Peer(RefCell::new(far))))
}

type Writes = (&'static str, fn(&dyn Transport), String);

fn writes() -> Vec<Writes> {
    vec![
        ("one write", |t| t.write(b"abc"), "abc".into()),
        ("several", |t| (0..50).for_each(|_| t.write(b"ab")), "ab".repeat(50)),
        ("pieces", |t| t.writelines(&[IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"b")]), "ab".into()),
        ("a large one", |t| t.write(&[b'x'; 20_000]), "x".repeat(20_000)),
        (
            "a small one, then a large one",
            |t| {
                t.write(b"a");
                t.write(&[b'x'; 20_000]);
                t.write(b"b");
            },
            format!("a{}b", "x".repeat(20_000)),
        ),
        ("more than is gathered", |t| (0..90).for_each(|_| t.write(&[b'y'; 1000])), "y".repeat(90_000)),
        (
            "a write before a close",
            |t| {
                t.write(b"bye");
                t.close();
            },
            "bye".into(),
        ),
        (
            "a write before an abort",
            |t| {
                t.write(b"bye");
                t.abort();
            },
            "bye".into(),
        ),
        (
            "a write before the end of our side",
            |t| {
                t.write(b"bye");
                t.write_eof();
            },
            "bye".into(),
        ),
        (
            "a write before a panic",
            |t| {
                t.write(b"last words");
                panic!("wanted");
            },
            "last words".into(),
        ),
    ]
}

/// Step A writes; step B, queued directly behind it, reads at the peer's end.
async fn in_callbacks(log: &Rc<RefCell<Vec<(String, String)>>>) {
    let handle = get_running_loop();
    for (name, write, _) in writes() {
        let (transport, peer) = connect(Quiet).await;
        assert_eq!(peer.readable(), "WouldBlock", "{name}: nothing was written yet");
        handle.call_soon({
            let transport = Rc::clone(&transport);
            move || write(&*transport)
        });
        let log = Rc::clone(log);
        handle.call_soon(move || log.borrow_mut().push((format!("callback, {name}"), peer.readable())));
        yield_now().await;
    }
}

async fn in_tasks(log: &Rc<RefCell<Vec<(String, String)>>>) {
    for (name, write, _) in writes() {
        let (transport, peer) = connect(Quiet).await;
        let writing = spawn(async move {
            write(&*transport);
            std::future::pending::<()>().await;
        });
        let log = Rc::clone(log);
        let looking = spawn(async move { log.borrow_mut().push((format!("task, {name}"), peer.readable())) });
        looking.await.unwrap();
        writing.cancel();
    }
}

/// Bytes written in the drop of a future, in a step that is a cancellation, and to several transports in one step.
async fn in_other_steps() {
    let handle = get_running_loop();
    let ((one, peer_one), (two, peer_two)) = (connect(Quiet).await, connect(Quiet).await);
    struct WriteOnDrop(Rc<dyn Transport>);
    impl Drop for WriteOnDrop {
        fn drop(&mut self) {
            self.0.write(b"dropped");
        }
    }
    let (guard, other) = (WriteOnDrop(Rc::clone(&one)), Rc::clone(&two));
    let task = spawn(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    yield_now().await;
    task.cancel();
    let looked = spawn(async move { (peer_one.readable(), peer_one) });
    let (text, peer_one) = looked.await.unwrap();
    assert_eq!(text, "dropped");
    handle.call_soon(move || {
        one.write(b"1");
        other.write(b"2");
        one.write(b"1");
    });
    let looked = spawn(async move { (peer_one.readable(), peer_two.readable()) });
    assert_eq!(looked.await.unwrap(), ("11".to_owned(), "2".to_owned()));
}

/// A protocol's callbacks are steps too: a step never sees only a part of an answer.
async fn in_protocols() {
    let (_transport, peer) = connect(Answering::default()).await;
    assert_eq!(peer.readable(), "hello", "connection_made ran in a step before");
    peer.send("x");
    let mut answer = peer.readable();
    let mut steps = 0;
    while answer == "WouldBlock" && steps < 1000 {
        yield_now().await;
        answer = peer.readable();
        steps += 1;
    }
    assert_eq!(answer, "<x>", "all that one callback wrote, at once");
}

#[test]
fn law_10_written_is_sent() {
    guarded(|| {
        run_clean(async {
            get_running_loop().set_exception_handler(|_| {});
            let log = Rc::default();
            in_callbacks(&log).await;
            in_tasks(&log).await;
            let log = log.take();
            assert_eq!(log.len(), 2 * writes().len());
            let expected = writes().into_iter().chain(writes());
            for ((name, told), (_, _, expected)) in log.into_iter().zip(expected) {
                assert_eq!(told, expected, "{name}");
            }
            in_other_steps().await;
            in_protocols().await;
        });
    });
}

#[test]
fn what_is_written_between_two_runs_is_sent_before_the_first_step_of_the_next() {
    guarded(|| {
        let mut event_loop = EventLoop::new().unwrap();
        let (transport, peer) = event_loop.run(connect(Quiet));
        transport.write(b"between");
        let told = event_loop.run(async { peer.readable() });
        assert_eq!(told, "between");
    });
}
