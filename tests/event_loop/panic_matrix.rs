//! A panic in each place where the loop calls user code: it is reported once, it ends only what it belongs to, and the
//! loop goes on unharmed. `WATERWHEEL_PANICS` sets the number of panics per place.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::testing::connected_pair;
use waterwheel::{
    AfterEof, ConnectionError, EventLoop, JoinError, LoopHandle, Protocol, StreamReader, StreamWriter, Task, TaskGroup,
    Transport, get_running_loop, sleep, spawn, start_server, to_thread, yield_now,
};

/// How often each place panics.
fn times() -> usize {
    std::env::var("WATERWHEEL_PANICS").map_or(100, |times| times.parse().expect("it is a number"))
}

/// The number of panics that were reported as incidents.
type Told = Rc<Cell<usize>>;

/// Runs `place` on a loop of its own. It causes that many panics, and returns how many reached its own code instead of
/// the exception handler.
fn panics(place: impl AsyncFnOnce(LoopHandle, usize) -> usize) {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    // Debug mode would report more.
    handle.set_debug(false);
    let told = Told::default();
    let tell = Rc::clone(&told);
    handle.set_exception_handler(move |incident| {
        assert!(incident.panic().is_some_and(|text| text.contains("on purpose")), "{incident}");
        tell.set(tell.get() + 1);
    });
    event_loop.run(async {
        let handed = place(handle.clone(), times()).await;
        settle().await;
        assert_eq!(handed + told.get(), times(), "{handed} were handed to whoever awaits");
        // Everything works as before.
        let (mut one, other) = connected_pair();
        other.writer.write(b"and on\n");
        assert_eq!(one.reader.readline().await.unwrap(), b"and on\n");
        drop((one, other));
        settle().await;
    });
    let dump = handle.dump_tasks();
    assert!(dump.tasks.is_empty() && dump.timers.is_empty() && dump.jobs.is_empty(), "{dump}");
}

/// Lets everything that is under way happen.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
    sleep(Duration::from_millis(5)).await;
}

fn on_purpose() -> ! {
    panic!("on purpose")
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        on_purpose()
    }
}

#[test]
fn a_callback() {
    panics(async |handle, times| {
        for _ in 0..times {
            handle.call_soon(|| on_purpose());
        }
        0
    });
}

#[test]
fn a_timer() {
    panics(async |handle, times| {
        for _ in 0..times {
            handle.call_later(Duration::from_micros(10), || on_purpose());
        }
        sleep(Duration::from_millis(5)).await;
        0
    });
}

#[test]
fn the_drop_of_a_callback_that_is_cancelled() {
    panics(async |handle, times| {
        let mut caught = 0;
        for _ in 0..times {
            let held = PanicsWhenDropped;
            let timer = handle.call_later(Duration::from_secs(60), move || drop(held));
            // The caller of `cancel` drops the callback, so the panic is the caller's.
            caught += usize::from(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| timer.cancel())).is_err());
        }
        caught
    });
}

#[test]
fn a_reader_of_a_descriptor() {
    panics(async |handle, times| {
        for _ in 0..times {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            handle.add_reader(&ours, || on_purpose()).unwrap();
            theirs.write_all(b"x").unwrap();
            sleep(Duration::from_micros(50)).await;
            settle().await;
            assert!(!handle.remove_reader(&ours), "it is removed by its panic");
        }
        0
    });
}

#[test]
fn a_task_that_nobody_awaits() {
    panics(async |_, times| {
        for _ in 0..times {
            drop(spawn(async { on_purpose() }));
        }
        0
    });
}

#[test]
fn a_task_that_somebody_awaits() {
    panics(async |_, times| {
        let tasks: Vec<Task<()>> = (0..times).map(|_| spawn(async { on_purpose() })).collect();
        let mut handed = 0;
        for task in tasks {
            handed += usize::from(matches!(task.await, Err(JoinError::Panicked(_))));
        }
        handed
    });
}

#[test]
fn the_drop_of_a_future_that_is_cancelled() {
    panics(async |_, times| {
        let tasks: Vec<_> = (0..times)
            .map(|_| {
                let held = PanicsWhenDropped;
                spawn(async move {
                    sleep(Duration::from_secs(60)).await;
                    drop(held);
                })
            })
            .collect();
        yield_now().await;
        tasks.iter().for_each(Task::cancel);
        drop(tasks);
        0
    });
}

#[test]
fn a_job_on_a_thread() {
    panics(async |_, times| {
        let mut handed = 0;
        for _ in 0..times {
            let outcome: Result<(), JoinError> = to_thread(|| on_purpose()).await;
            handed += usize::from(matches!(outcome, Err(JoinError::Panicked(_))));
        }
        handed
    });
}

#[test]
fn a_call_of_another_thread() {
    panics(async |handle, times| {
        let remote = handle.remote();
        to_thread(move || (0..times).for_each(|_| assert!(remote.call_soon(|| on_purpose())))).await.unwrap();
        for _ in 0..times {
            yield_now().await;
        }
        0
    });
}

#[test]
fn a_task_of_a_group() {
    panics(async |_, times| {
        let mut handed = 0;
        for _ in 0..times {
            let run = TaskGroup::run(async |group| {
                group.create_task(async { on_purpose() });
                sleep(Duration::from_secs(60)).await;
                io::Result::Ok(())
            });
            handed += usize::from(run.await.is_err());
        }
        handed
    });
}

async fn panicking_handler(_reader: StreamReader, _writer: StreamWriter) {
    on_purpose()
}

#[test]
fn a_handler_of_a_server() {
    panics(async |_, times| {
        let server = start_server(panicking_handler, "127.0.0.1:0").await.unwrap();
        for _ in 0..times {
            let (mut reader, _writer) = waterwheel::open_connection(server.local_addrs()[0]).await.unwrap();
            // The handler's connection ends, in order or not.
            let _ended = reader.read_to_end().await;
        }
        server.close();
        server.wait_closed().await;
        0
    });
}

/// A protocol that panics in one of its callbacks.
struct Panics {
    at: &'static str,
    transport: RefCell<Option<Rc<dyn Transport>>>,
}

impl Panics {
    fn when(&self, at: &str) {
        if self.at == at {
            on_purpose()
        }
    }
}

impl Protocol for Panics {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.transport.replace(Some(transport));
        self.when("connection_made");
    }

    fn data_received(&self, _data: &[u8]) {
        self.when("data_received");
    }

    fn eof_received(&self) -> AfterEof {
        self.when("eof_received");
        AfterEof::Close
    }

    fn connection_lost(&self, _error: Option<ConnectionError>) {
        self.transport.replace(None);
        self.when("connection_lost");
    }
}

fn a_protocol(at: &'static str) {
    panics(async |handle, times| {
        let factory = move || Rc::new(Panics { at, transport: RefCell::default() });
        let server = handle.create_server(factory, "127.0.0.1:0").await.unwrap();
        for _ in 0..times {
            let (mut reader, writer) = waterwheel::open_connection(server.local_addrs()[0]).await.unwrap();
            writer.write(b"x");
            writer.write_eof();
            let _ended = reader.read_to_end().await;
            settle_connection().await;
        }
        server.close();
        server.wait_closed().await;
        0
    });
}

async fn settle_connection() {
    for _ in 0..4 {
        yield_now().await;
    }
}

#[test]
fn connection_made() {
    a_protocol("connection_made");
}

#[test]
fn data_received() {
    a_protocol("data_received");
}

#[test]
fn eof_received() {
    a_protocol("eof_received");
}

#[test]
fn connection_lost() {
    a_protocol("connection_lost");
}

/// The exception handler panics at each incident. It is called for every incident all the same, and the loop goes on.
#[test]
fn the_exception_handler() {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    handle.set_exception_handler(move |_| {
        counted.set(counted.get() + 1);
        on_purpose()
    });
    event_loop.run(async {
        for _ in 0..times() {
            get_running_loop().call_soon(|| on_purpose());
        }
        settle().await;
    });
    assert_eq!(calls.get(), times());
}
