//! A lost wake-up, a deadlock of two tasks, a blocked loop, a storm of timers, a task that spins, a slow resolver, and
//! a full thread pool.

use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::time::Duration;

use waterwheel::network::{
    Acceptor, BindOptions, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending,
};
use waterwheel::{Address, LoopHandle, NoDump, Promise, get_running_loop, spawn, to_thread, yield_now};

use super::{place_in, seen};
use crate::common::running::turns;

/// The place, as reports show it, of the line of this file that ends with this comment.
#[track_caller]
fn place(comment: &str) -> String {
    place_in(file!(), include_str!("of_tasks.rs"), comment)
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
    // The main future has taken a step in each turn too.
    assert!(seen.metrics.steps >= 600 && seen.metrics.bytes_received == 0, "{:?}", seen.metrics);
    seen.in_dump(&["Task-2, spawned at ", &place("spins"), "polled 300 times"]);
}

/// A network whose look-ups never finish.
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
