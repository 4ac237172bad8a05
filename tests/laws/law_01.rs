//! Law 1: callbacks are called only in a turn, never from inside the user's own call.

use std::cell::{Cell, RefCell};
use std::io::{IoSlice, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{
    AfterEof, ConnectionError, LoopHandle, Promise, Protocol, StreamReader, Transport, get_running_loop, spawn,
    yield_now,
};

use crate::source_tree::sources;
use crate::tools::{guarded, run_clean};

thread_local! {
    /// The user's call that is on the stack.
    static INSIDE: Cell<Option<&'static str>> = const { Cell::new(None) };
    static WRONG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static CALLBACKS: Cell<usize> = const { Cell::new(0) };
}

fn calling<R>(name: &'static str, call: impl FnOnce() -> R) -> R {
    let outer = INSIDE.replace(Some(name));
    let result = call();
    INSIDE.set(outer);
    result
}

/// Every callback begins with this. It leaves `INSIDE` as it is, since a callback is not a call of the user's.
fn called_back(name: &str) {
    CALLBACKS.set(CALLBACKS.get() + 1);
    if let Some(call) = INSIDE.get() {
        WRONG.with_borrow_mut(|wrong| wrong.push(format!("{name} was called inside {call}")));
    }
}

struct Watchful;

impl Protocol for Watchful {
    fn connection_made(&self, _transport: Rc<dyn Transport>) {
        called_back("connection_made");
    }
    fn data_received(&self, _data: &[u8]) {
        called_back("data_received");
    }
    fn eof_received(&self) -> AfterEof {
        called_back("eof_received");
        AfterEof::KeepOpen
    }
    fn connection_lost(&self, _error: Option<ConnectionError>) {
        called_back("connection_lost");
    }
}

/// A connection with events for its protocol: the peer has written and ended its side.
async fn connection(event_loop: &LoopHandle) -> (Rc<dyn Transport>, UnixStream) {
    let (near, mut far) = UnixStream::pair().unwrap();
    far.write_all(b"hello").unwrap();
    far.shutdown(std::net::Shutdown::Write).unwrap();
    let connecting = calling("create_connection", || event_loop.create_connection(|| Rc::new(Watchful), near));
    let (transport, _) = connecting.await.unwrap();
    (transport, far)
}

type Call = (&'static str, fn(&dyn Transport));

const TRANSPORT_CALLS: [Call; 12] = [
    ("write", |t| t.write(b"x")),
    ("write of a large piece", |t| t.write(&vec![7; 1 << 20])),
    ("writelines", |t| t.writelines(&[IoSlice::new(b"x"), IoSlice::new(b"y")])),
    ("write_eof", |t| t.write_eof()),
    ("pause_reading", |t| t.pause_reading()),
    ("resume_reading", |t| {
        t.pause_reading();
        t.resume_reading();
    }),
    ("set_write_buffer_limits", |t| t.set_write_buffer_limits(Some(0), None)),
    ("set_protocol", |t| t.set_protocol(Rc::new(Watchful))),
    ("get_protocol", |t| drop(t.get_protocol())),
    ("extra_info", |t| drop(t.extra_info())),
    ("close", |t| t.close()),
    ("abort", |t| t.abort()),
];

async fn every_transport_call(event_loop: &LoopHandle) {
    for (name, call) in TRANSPORT_CALLS {
        let (transport, far) = connection(event_loop).await;
        calling(name, || call(&*transport));
        // After the peer is gone the next write fails. The protocol must not be called from inside it either.
        drop(far);
        calling("write to a peer that is gone", || {
            if name != "write_eof" {
                call(&*transport);
                transport.write(&vec![7; 1 << 20]);
            }
        });
        yield_now().await;
        calling("the abort of what is left", || transport.abort());
    }
}

async fn every_loop_call(event_loop: &LoopHandle) {
    let callback = || || called_back("a callback");
    let soon = calling("call_soon", || event_loop.call_soon(callback()));
    let later = calling("call_later", || event_loop.call_later(Duration::ZERO, callback()));
    let at = calling("call_at", || event_loop.call_at(event_loop.time(), callback()));
    calling("remote call_soon", || event_loop.remote().call_soon(callback()));
    let task = calling("create_task", || event_loop.create_task(async { called_back("a task's first step") }));
    let dropped = calling("spawn", || spawn(async { called_back("a detached task's first step") }));
    calling("drop of a task", || drop(dropped));
    let promise = Promise::new();
    let waiting = spawn({
        let promise = promise.clone();
        async move {
            promise.wait().await;
            called_back("a waiting task's step");
        }
    });
    yield_now().await;
    calling("Promise::set", || promise.set(()).unwrap());
    calling("cancel", || {
        soon.cancel();
        later.cancel();
        at.cancel();
        task.cancel();
    });
    waiting.await.unwrap();
    let (mut reader, feeder) = StreamReader::new(16);
    let reading = spawn(async move {
        while !reader.readline().await.unwrap().is_empty() {
            called_back("a reading task's step");
        }
        called_back("a reading task's end");
    });
    yield_now().await;
    calling("feed_data", || feeder.feed_data(b"a\nb"));
    calling("feed_eof", || feeder.feed_eof());
    reading.await.unwrap();
}

async fn every_server_call(event_loop: &LoopHandle) {
    let factory = || {
        called_back("the factory of a server");
        Rc::new(Watchful)
    };
    for call in ["close_clients", "abort_clients", "close", "drop"] {
        let server = calling("create_server", || event_loop.create_server(factory, "127.0.0.1:0")).await.unwrap();
        let mut peer = std::net::TcpStream::connect(server.local_addrs()[0]).unwrap();
        peer.write_all(b"hello").unwrap();
        let before = CALLBACKS.get();
        while CALLBACKS.get() == before {
            waterwheel::sleep(Duration::from_millis(1)).await;
        }
        calling(call, || match call {
            "close_clients" => server.close_clients(),
            "abort_clients" => server.abort_clients(),
            "close" => server.close(),
            _ => drop(server),
        });
        yield_now().await;
    }
}

#[test]
fn law_01_one_caller() {
    guarded(|| {
        run_clean(async {
            let event_loop = get_running_loop();
            every_transport_call(&event_loop).await;
            every_loop_call(&event_loop).await;
            every_server_call(&event_loop).await;
            for _ in 0..5 {
                yield_now().await;
            }
        });
        assert_eq!(WRONG.take(), Vec::<String>::new());
        assert!(CALLBACKS.get() > 40, "only {} callbacks were watched", CALLBACKS.get());
    });
    guarded(only_a_turn_names_what_calls);
}

/// Each kind of transport calls its own protocol.
const TRANSPORTS: &str = "net/connection/transport/mod.rs net/connection/transport/ending.rs net/datagram/mod.rs";

/// A turn calls the TLS layer, which then calls its own protocol. The same goes for a protocol whose calls are traced.
/// Everything in `testing` is driven by a test instead of a loop.
fn calls_for_itself(place: &str) -> bool {
    place.starts_with("tls/") || place.starts_with("net/connection/traced.rs") || place.starts_with("testing/")
}

/// The methods that call back, and the only files that may use them.
fn only_a_turn_names_what_calls() {
    for (call, allowed) in [
        (".run_entry(", "event_loop/turn.rs"),
        ("callback.run()", "event_loop/turn.rs"),
        ("node.run(", "event_loop/turn.rs"),
        (".run()", "event_loop/turn.rs"),
        ("source.run_queued(", "event_loop/turn.rs"),
        (".on_ready(", "reactor/registration.rs"),
        (".poll_main(", "runner/main_future.rs"),
        (".deliver_lost()", TRANSPORTS),
        (".made(", "net/connection/transport/mod.rs net/datagram/mod.rs net/process/subprocess_exec.rs"),
        (".data_received(", "net/connection/transport/reading.rs"),
        (".eof_received(", "net/connection/transport/reading.rs"),
        (".connection_made(", "net/connection/transport/mod.rs net/datagram/mod.rs net/process/reporter.rs"),
        (".connection_closing(", TRANSPORTS),
        (".connection_lost(", "net/connection/transport/ending.rs net/datagram/mod.rs net/process/reporter.rs"),
    ] {
        let places: Vec<String> = sources().iter().flat_map(|file| file.places(call)).collect();
        assert!(!places.is_empty(), "nobody calls `{call}` any more: this list is out of date");
        let is_allowed = |place: &String| allowed.split(' ').any(|allowed| place.starts_with(allowed));
        let elsewhere: Vec<&String> =
            places.iter().filter(|place| !is_allowed(place) && !calls_for_itself(place)).collect();
        assert!(elsewhere.is_empty(), "`{call}` is called outside {allowed}: {elsewhere:?}");
    }
    for file in sources() {
        let delivered = file.places("deliver_lost()").len();
        assert!(delivered <= 1, "{}: a loss is delivered from one place, a scheduled callback", file.path);
    }
}
