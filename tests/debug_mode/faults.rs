//! Twelve faults that programs have, and the line that each is found by: in a dump, in what debug mode reports, or in the
//! counters.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::Duration;

use waterwheel::network::{
    Acceptor, BindOptions, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending,
};
use waterwheel::testing::{ManualClock, connected_pair};
use waterwheel::{
    Address, Builder, EventLoop, LoopHandle, Metrics, NoDump, Promise, StreamReader, StreamWriter, get_running_loop,
    open_connection, spawn, start_server, to_thread, yield_now,
};

use crate::common::running::turns;
use crate::common::watchdog::watchdog;

/// What a loop lets see of a program.
struct Seen {
    dump: String,
    told: Vec<String>,
    metrics: Metrics,
}

impl Seen {
    /// Whether a line of the dump says all of this.
    #[track_caller]
    fn in_dump(&self, words: &[&str]) {
        let says = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(self.dump.lines().any(says), "{words:?} is not in\n{}", self.dump);
    }

    #[track_caller]
    fn is_told(&self, words: &[&str]) {
        let says = |text: &String| words.iter().all(|word| text.contains(word));
        assert!(self.told.iter().any(says), "{words:?} is not in {:#?}", self.told);
    }
}

/// Runs a program with a fault in debug mode, and looks while what it gives back is still held.
fn seen<K>(set: impl FnOnce(Builder) -> Builder, program: impl AsyncFnOnce(Rc<ManualClock>) -> K) -> Seen {
    let _watchdog = watchdog();
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = set(EventLoop::builder().clock(clock.clone()).debug(true)).build().unwrap();
    let told = Rc::new(RefCell::new(Vec::new()));
    let tell = Rc::clone(&told);
    event_loop.handle().set_exception_handler(move |incident| tell.borrow_mut().push(incident.to_string()));
    event_loop.run(async {
        let _kept = program(clock).await;
        let event_loop = get_running_loop();
        Seen { dump: event_loop.dump_tasks().to_string(), told: told.take(), metrics: event_loop.metrics() }
    })
}

/// The line of this file with this comment, as it is told.
#[track_caller]
fn place(comment: &str) -> String {
    let ending = format!("// {comment}");
    let is_it = |line: &str| line.ends_with(&ending);
    let line = include_str!("faults.rs").lines().position(is_it).expect("there is such a comment") + 1;
    format!("tests/debug_mode/faults.rs:{line}:")
}

#[test]
fn a_lost_wake_up_is_a_task_that_waits_for_something_outside() {
    let seen = seen(
        |builder| builder,
        async |clock| {
            let forgetful = spawn(poll_fn(|_| Poll::<()>::Pending)); // lost wake-up
            forgetful.set_name("forgetful");
            turns(2).await;
            clock.advance(Duration::from_millis(50));
        },
    );
    seen.in_dump(&["\"forgetful\", spawned at ", &place("lost wake-up"), "polled 1 time"]);
    seen.in_dump(&["waits for something outside of waterwheel (a channel, a lock), for 50 ms"]);
}

#[test]
fn a_dead_lock_is_two_tasks_of_which_each_waits_for_the_other() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let (one, other) = (Promise::new(), Promise::new());
            let (set_one, set_other) = (one.clone(), other.clone());
            spawn(async move {
                other.wait().await; // one waits
                set_one.set(()).unwrap();
            })
            .set_name("one");
            spawn(async move {
                one.wait().await; // other waits
                set_other.set(()).unwrap();
            })
            .set_name("other");
            turns(2).await;
        },
    );
    seen.in_dump(&["waits for a promise at ", &place("one waits")]);
    seen.in_dump(&["waits for a promise at ", &place("other waits")]);
    assert!(
        seen.dump.contains("\"one\", spawned at ") && seen.dump.contains("\"other\", spawned at "),
        "{}",
        seen.dump
    );
}

#[test]
fn a_forgotten_drain_is_reported_with_the_line_that_wrote() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let (ours, theirs) = connected_pair();
            ours.writer.write(&vec![0; 1_000_000]); // no drain
            turns(120).await;
            (ours, theirs)
        },
    );
    seen.is_told(&["A writer stays over its high mark, and nobody drains it", "\nwritten at: ", &place("no drain")]);
    seen.in_dump(&["ConduitTransport", "reading: Paused"]);
}

#[test]
fn a_blocked_loop_names_its_step_to_another_thread_and_afterwards() {
    let seen = seen(
        |builder| builder,
        async |clock| {
            let remote = get_running_loop().remote();
            let blocks = async move {
                let (answer, answered) = channel();
                std::thread::spawn(move || answer.send(remote.dump(Duration::from_millis(2)).unwrap_err()).unwrap());
                let NoDump::Stalled(Some(step)) = answered.recv().unwrap() else { panic!("it is stalled") };
                assert!(step.to_string().starts_with("task \"Task-2\" has been running for "), "{step}");
                assert!(step.to_string().contains(&place("blocks")), "{step}");
                clock.advance(Duration::from_secs(1));
            };
            spawn(blocks).await.unwrap(); // blocks
            yield_now().await;
        },
    );
    seen.is_told(&["A step took too long", "task \"Task-2\" ran for 1.0s", &place("blocks")]);
    assert_eq!(seen.metrics.longest_step, Duration::from_secs(1));
}

#[test]
fn a_leak_of_connections_is_a_count_that_only_grows_and_all_of_them_are_listed() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let leaked: Rc<RefCell<Vec<_>>> = Rc::default();
            let keep = Rc::clone(&leaked);
            // The handler keeps each connection in a list that nobody empties.
            let handler = move |reader: StreamReader, writer: StreamWriter| keep.borrow_mut().push((reader, writer));
            let server = start_server(handler, "127.0.0.1:0").await.unwrap();
            for _ in 0..20 {
                drop(open_connection(server.local_addrs()[0]).await.unwrap());
            }
            while leaked.borrow().len() < 20 {
                yield_now().await;
            }
            turns(5).await;
            (server, leaked)
        },
    );
    assert_eq!((seen.metrics.connections_accepted, seen.metrics.connections_made), (20, 20));
    assert!(seen.metrics.connections_now >= 20, "{:?}", seen.metrics);
    let listed =
        seen.dump.lines().filter(|line| line.contains("ConduitTransport") && line.contains("127.0.0.1")).count();
    assert!(listed >= 20, "{}", seen.dump);
}

#[test]
fn a_storm_of_timers_is_a_count_and_each_timer_names_its_line() {
    let seen = seen(
        |builder| builder,
        async |_| {
            for _ in 0..500 {
                get_running_loop().call_later(Duration::from_secs(1), || ()); // storm
            }
        },
    );
    assert_eq!(seen.metrics.timers_now, 500);
    assert!(seen.dump.contains("timers: 500\n"), "{}", seen.dump);
    let named = seen.dump.matches(&format!("in 1.0 s: a callback, scheduled at {}", place("storm"))).count();
    assert_eq!(named, 500);
}

#[test]
fn a_task_that_spins_has_polls_without_end() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let spins = async {
                loop {
                    yield_now().await;
                }
            };
            let spins = spawn(spins); // spins
            turns(300).await;
            spins
        },
    );
    // The main future has counted the turns.
    assert!(seen.metrics.steps >= 600 && seen.metrics.bytes_received == 0, "{:?}", seen.metrics);
    seen.in_dump(&["Task-2, spawned at ", &place("spins"), "polled 300 times"]);
}

#[test]
fn a_handler_that_never_ends_waits_on_its_line_and_names_its_server() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let handler = async |mut reader: StreamReader, _writer: StreamWriter| {
                drop(reader.readexactly(1_000).await); // never comes
            };
            let server = start_server(handler, "127.0.0.1:0").await.unwrap(); // serves
            let client = open_connection(server.local_addrs()[0]).await.unwrap();
            client.1.write(b"less than that");
            while get_running_loop().metrics().bytes_received == 0 {
                yield_now().await;
            }
            turns(3).await;
            (server, client)
        },
    );
    seen.in_dump(&["waits for readexactly 1000 at ", &place("never comes"), "14 bytes unread, peer 127.0.0.1:"]);
    seen.in_dump(&["Task-2, spawned at ", &place("serves")]);
}

/// A network whose names take for ever.
struct SlowNames;

fn never<'a, T: 'a>() -> Pending<'a, T> {
    Box::pin(pending())
}

impl Network for SlowNames {
    fn look_up<'a>(&'a self, _: &'a LoopHandle, _: &'a str, _: u16, _: Hints) -> Pending<'a, Vec<SocketAddr>> {
        never()
    }

    fn connect<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: &'a [SocketAddr]) -> Pending<'a, Connected> {
        never()
    }

    fn bind<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
        never()
    }

    fn open_datagrams<'a>(&'a self, _: &'a LoopHandle, _: DatagramOptions) -> Pending<'a, Rc<dyn DatagramConduit>> {
        never()
    }
}

#[test]
fn a_slow_resolver_is_a_task_that_waits_for_it_on_its_line() {
    let seen = seen(
        |builder| builder.network(Rc::new(SlowNames)),
        async |clock| {
            let names = get_running_loop().getaddrinfo("database.example", 5432);
            let task = spawn(async { names.await }); // looks up
            turns(3).await;
            clock.advance(Duration::from_millis(90));
            task
        },
    );
    seen.in_dump(&["waits for getaddrinfo at ", &place("looks up"), "for 90 ms"]);
}

#[test]
fn a_full_thread_pool_shows_what_runs_and_what_waits_for_a_thread() {
    let ((free, blocked), (begin, begun)) = (channel::<()>(), channel());
    let seen = seen(
        |builder| builder.thread_limit(1),
        async |_| {
            let work = to_thread(move || begin.send(()).is_ok() && blocked.recv().is_err()); // runs
            let more = to_thread(|| ()); // waits for a thread
            begun.recv().unwrap();
            (work, more, free)
        },
    );
    assert!(seen.dump.contains("work on threads: 2\n"), "{}", seen.dump);
    seen.in_dump(&["runs, started at ", &place("runs")]);
    seen.in_dump(&["waits for a thread, started at ", &place("waits for a thread")]);
}

#[cfg(feature = "process")]
#[test]
fn a_child_that_does_not_end_is_waited_for_on_a_line() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let mut command = std::process::Command::new("sleep");
            command.arg("600");
            let mut child = waterwheel::create_subprocess_exec(command).unwrap().kill_on_drop();
            let waits = spawn(async move { child.wait().await }).cancel_on_drop(); // child
            turns(3).await;
            waits
        },
    );
    seen.in_dump(&["waits for a child process at ", &place("child")]);
}

#[test]
fn a_server_that_does_not_shut_down_shows_who_waits_and_the_connection_that_it_waits_for() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let server = start_server(async |_reader, _writer| pending::<()>().await, "127.0.0.1:0").await.unwrap();
            let address = server.local_addrs()[0];
            let client = open_connection(address).await.unwrap();
            while server.connections() == 0 {
                yield_now().await;
            }
            server.close();
            let ends = spawn(async move { server.wait_closed().await }); // ends
            turns(5).await;
            (ends, client)
        },
    );
    seen.in_dump(&["waits for wait_closed at ", &place("ends")]);
    seen.in_dump(&["ConduitTransport", "phase: Open"]);
    assert!(seen.dump.contains("waits for something outside of waterwheel"), "the handler: {}", seen.dump);
}
