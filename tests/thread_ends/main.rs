//! A loop in a thread-local, and its objects in other thread-locals, when the thread or the process ends.
//!
//! This program does without the usual harness, because that runs no test on the main thread, whose thread-locals end
//! differently from those of other threads. Each case is a child process, since a panic in the destructor of a
//! thread-local ends the process. Rust destroys the thread-locals of a thread in the reverse order of their first use,
//! so every order of the loop's, the crate's own and the user's is tried.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::env;
use std::future::pending;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use common::watchdog::watchdog;
use waterwheel::{
    EventLoop, LoopHandle, Promise, Protocol, RemoteHandle, Transport, get_running_loop, open_connection, sleep, spawn,
    start_server, try_get_running_loop, yield_now,
};

#[path = "../common"]
mod common {
    pub(crate) mod watchdog;
}

/// The environment variable that tells a child which case to run.
const CASE: &str = "WATERWHEEL_THREAD_ENDS";

/// The status of a child that calls `exit`.
const EXITED: i32 = 7;

/// More than a Unix socket takes while the peer reads nothing.
const MUCH: usize = 4 << 20;

/// The thread-locals, in the order of their first use.
const ORDERS: [&str; 6] =
    ["loop-ours-user", "loop-user-ours", "ours-loop-user", "ours-user-loop", "user-loop-ours", "user-ours-loop"];

const THREADS: [&str; 2] = ["main", "another"];

/// How a case ends: the thread returns; the thread calls `exit`; a task calls `exit` while the loop runs.
const ENDS: [&str; 3] = ["return", "exit", "exit-in-task"];

/// Everything that must be dropped, each exactly once.
const GUARDS: [&str; 16] = [
    "callback",
    "task that calls the loop when dropped",
    "called while the loop closed",
    "task spawned while the loop closed",
    "task that waits for a promise",
    "task that sleeps",
    "task that reads",
    "task of a server",
    "task that waits for a descriptor",
    "task that was given up",
    "timer",
    "protocol",
    "reader of a descriptor",
    "letter",
    "callback of a late caller",
    "task of a late caller",
];

thread_local! {
    static LOOP: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
    static HELD: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

fn main() {
    if let Ok(case) = env::var(CASE) {
        return child(&case);
    }
    let _watchdog = watchdog();
    // As with the usual harness, each argument selects the tests whose names contain it.
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (mut ran, mut failures) = (0, Vec::new());
    for thread in THREADS {
        for end in ENDS {
            for order in ORDERS {
                let case = format!("{thread}/{end}/{order}");
                if words.is_empty() || words.iter().any(|word| case.contains(word)) {
                    failures.extend(failure_of(&case));
                    ran += 1;
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} of {ran} cases failed:\n{}", failures.len(), failures.join("\n"));
    println!("{ran} cases passed");
}

/// Runs a case in a child process. Returns what is wrong, unless it ends as it should and drops everything once.
fn failure_of(case: &str) -> Option<String> {
    let mut program = Command::new(env::current_exe().expect("a test knows its own path"));
    let output = program.env(CASE, case).output().expect("this program can be run");
    let (status, errors) = (output.status, String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    let mut dropped: Vec<&str> = said.lines().collect();
    let expected = if case.contains("exit") { EXITED } else { 0 };
    dropped.sort_unstable();
    let mut guards = GUARDS;
    guards.sort_unstable();
    let failed = status.code() != Some(expected) || dropped != guards;
    failed.then(|| format!("{case}: {status}\nit dropped {dropped:#?}\nit said {errors}"))
}

fn child(case: &str) {
    let (thread, rest) = case.split_once('/').expect("a case has three parts");
    let (end, order) = rest.split_once('/').expect("a case has three parts");
    if thread == "main" {
        live(end, order);
    } else {
        let (end, order) = (end.to_owned(), order.to_owned());
        thread::spawn(move || live(&end, &order)).join().expect("the thread does not panic");
    }
}

/// Uses the thread-locals in this order, fills them, and ends.
fn live(end: &str, order: &str) {
    for first_used in order.split('-') {
        match first_used {
            "loop" => LOOP.set(Some(EventLoop::new().expect("there are descriptors"))),
            "ours" => waterwheel::run(async { assert!(try_get_running_loop().is_some()) }),
            _ => hold(()),
        }
    }
    LOOP.with_borrow_mut(|event_loop| {
        let event_loop = event_loop.as_mut().expect("every order names the loop");
        event_loop.run(fill());
        leave_for_the_next_run(&event_loop.handle());
        if end == "exit-in-task" {
            event_loop.run(async {
                spawn(async { std::process::exit(EXITED) });
                pending().await
            })
        }
    });
    if end == "exit" {
        std::process::exit(EXITED);
    }
}

fn hold(value: impl Any) {
    HELD.with_borrow_mut(|held| held.push(Box::new(value)));
}

/// Prints its name when it is dropped.
struct Guard(&'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        // With a single write, and not with `println!`, which panics if stdout fails.
        let line = format!("{}\n", self.0);
        std::io::stdout().write_all(line.as_bytes()).expect("the parent listens");
    }
}

/// A task that never ends, with a guard that is dropped with it.
fn guarded<F: Future>(name: &'static str, future: impl FnOnce() -> F + 'static) -> impl Future<Output = ()> {
    let guard = Guard(name);
    async move {
        let _guard = guard;
        future().await;
        unreachable!("{name} must not end");
    }
}

/// Leaves one of each kind in the loop, and the user's part of it in a thread-local of the user.
async fn fill() {
    let event_loop = get_running_loop();
    tasks(&event_loop);
    descriptors(&event_loop);
    connections(&event_loop).await;
    // By then everything has started.
    for _ in 0..5 {
        yield_now().await;
    }
}

fn tasks(event_loop: &LoopHandle) {
    spawn(guarded("task that calls the loop when dropped", || async {
        let _calling = CallsTheRunningLoop;
        pending::<()>().await;
    }));
    let promise = Promise::<()>::new();
    let waited_for = promise.clone();
    hold(spawn(guarded("task that waits for a promise", move || async move { waited_for.wait().await })));
    hold(promise);
    hold(spawn(guarded("task that sleeps", || sleep(Duration::from_secs(3600)))));
    // A task that has ended and whose result no code took, and one whose handle was dropped.
    hold(spawn(async { panic!("nobody awaits this") }));
    drop(spawn(guarded("task that was given up", pending::<()>)));
    // A name that a thread is looking up.
    hold(spawn(async { drop(open_connection(("localhost", 1)).await) }));
    let timer = Guard("timer");
    hold(event_loop.call_later(Duration::from_secs(3600), move || drop(timer)));
    hold(LateCaller(event_loop.clone()));
    hold(LateLetter(event_loop.remote()));
    let waker: Rc<Cell<Option<Waker>>> = Rc::default();
    let kept = Rc::clone(&waker);
    spawn(std::future::poll_fn(move |cx| {
        kept.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    }));
    hold(LateWake(waker));
}

fn descriptors(event_loop: &LoopHandle) {
    let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
    ours.set_nonblocking(true).expect("it is a socket");
    let (ours, guard) = (Rc::new(ours), Guard("reader of a descriptor"));
    event_loop
        .add_reader(&*ours, move || {
            let _kept = &guard;
        })
        .expect("a socket can be watched");
    hold(theirs);
    spawn(guarded("task that waits for a descriptor", move || async move {
        get_running_loop().readable(&*ours).await.expect("a socket can be watched");
    }));
}

async fn connections(event_loop: &LoopHandle) {
    let handler = |mut reader: waterwheel::StreamReader, writer| {
        guarded("task of a server", move || async move {
            let _writer: waterwheel::StreamWriter = writer;
            reader.read(1).await
        })
    };
    let server = start_server(handler, "127.0.0.1:0").await.expect("there are ports");
    let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.expect("the server listens");
    hold((server, writer));
    spawn(guarded("task that reads", move || async move { reader.read(1).await }));
    let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
    let (reader, writer) = open_connection(ours).await.expect("it is connected");
    writer.write(&vec![0; MUCH]);
    assert!(writer.transport().get_write_buffer_size() > 0, "the kernel took {MUCH} bytes");
    hold((reader, writer, theirs));
    let (ours, theirs) = UnixStream::pair().expect("there are descriptors");
    let factory = || Rc::new(Keeping { _guard: Guard("protocol"), transport: Cell::default() });
    let made = event_loop.create_connection(factory, ours).await.expect("it is connected");
    // Only the loop holds the protocol, which must go with the loop.
    hold((made.0, theirs));
}

/// Called between two runs: schedules a callback that the next run would call first.
fn leave_for_the_next_run(event_loop: &LoopHandle) {
    let guard = Guard("callback");
    hold(event_loop.call_soon(move || drop(guard)));
}

/// A protocol that keeps its transport, as most protocols do.
struct Keeping {
    _guard: Guard,
    transport: Cell<Option<Rc<dyn Transport>>>,
}

impl Protocol for Keeping {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.transport.set(Some(transport));
    }
}

/// Uses the running loop while the loop closes, as the destructor of a task may.
struct CallsTheRunningLoop;

impl Drop for CallsTheRunningLoop {
    fn drop(&mut self) {
        let event_loop =
            try_get_running_loop().expect("the loop that closes is there for destructors, wherever it dies");
        let called = Guard("called while the loop closed");
        assert!(event_loop.call_soon(move || drop(called)).is_cancelled());
        let spawned = Guard("task spawned while the loop closed");
        assert!(spawn(async move { drop(spawned) }).is_finished());
    }
}

/// Uses a handle to the loop, before or after the end of the loop.
struct LateCaller(LoopHandle);

impl Drop for LateCaller {
    fn drop(&mut self) {
        let (called, spawned) = (Guard("callback of a late caller"), Guard("task of a late caller"));
        self.0.call_soon(move || drop(called));
        drop(self.0.create_task(async move { drop(spawned) }));
        self.0.stop();
        let _ = (self.0.time(), format!("{:?}", self.0));
    }
}

struct LateLetter(RemoteHandle);

impl Drop for LateLetter {
    fn drop(&mut self) {
        let letter = Guard("letter");
        self.0.call_soon(move || drop(letter));
    }
}

struct LateWake(Rc<Cell<Option<Waker>>>);

impl Drop for LateWake {
    fn drop(&mut self) {
        self.0.take().expect("its task was polled").wake();
    }
}
