//! A loop that stands in a thread-local, and what belongs to it in others, when the thread or the process ends.
//!
//! A program of its own, without the usual harness: that runs no test on the main thread, whose thread-locals end in
//! another way than those of the others. Each case is a child process, since a panic in the destructor of a
//! thread-local ends the process. Rust destroys the thread-locals of a thread in the reverse order of their first use,
//! so every order of the loop's, of the crate's own and of the user's is tried.

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

/// What the child is to do, in its environment.
const CASE: &str = "WATERWHEEL_THREAD_ENDS";

/// The status of a child that ends by `exit`.
const EXITED: i32 = 7;

/// More than a Unix socket takes while nobody reads.
const MUCH: usize = 4 << 20;

/// The thread-locals, in the order in which they are first used.
const ORDERS: [&str; 6] =
    ["loop-ours-user", "loop-user-ours", "ours-loop-user", "ours-user-loop", "user-loop-ours", "user-ours-loop"];

const THREADS: [&str; 2] = ["main", "another"];

/// How it ends: the thread returns; it calls `exit`; a task of the loop calls `exit`, while the loop runs.
const ENDS: [&str; 3] = ["return", "exit", "exit-in-task"];

/// All that has to be dropped, each exactly once.
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
    // As with the usual harness, words are parts of the names of the tests to run.
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

/// Runs a case in a child process. Tells what is wrong unless it ends as it should and drops everything once.
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

/// Says so when it is dropped.
struct Guard(&'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        // By one write, and not by `println!`, which panics where this fails.
        let line = format!("{}\n", self.0);
        std::io::stdout().write_all(line.as_bytes()).expect("the parent listens");
    }
}

/// A task that never ends, and whose guard goes with it.
fn guarded<F: Future>(name: &'static str, future: impl FnOnce() -> F + 'static) -> impl Future<Output = ()> {
    let guard = Guard(name);
    async move {
        let _guard = guard;
        future().await;
        unreachable!("{name} must not end");
    }
}

/// Leaves one of each in the loop, and what belongs to it with the user.
async fn fill() {
    let event_loop = get_running_loop();
    tasks(&event_loop);
    descriptors(&event_loop);
    connections(&event_loop).await;
    // What was begun is under way then.
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
    // One that is over, whose result nobody took, and one whose handle was dropped.
    hold(spawn(async { panic!("nobody awaits this") }));
    drop(spawn(guarded("task that was given up", pending::<()>)));
    // A name that is being looked up by a thread.
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
    // The protocol is the loop's alone: it goes with the loop.
    hold((made.0, theirs));
}

/// Between two runs: what the next one would do first.
fn leave_for_the_next_run(event_loop: &LoopHandle) {
    let guard = Guard("callback");
    hold(event_loop.call_soon(move || drop(guard)));
}

/// A protocol that keeps its transport, as most do.
struct Keeping {
    _guard: Guard,
    transport: Cell<Option<Rc<dyn Transport>>>,
}

impl Protocol for Keeping {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.transport.set(Some(transport));
    }
}

/// Asks for the running loop while the loop closes, as the destructor of a task may.
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

/// Uses a handle to the loop, before or after the loop's end.
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
