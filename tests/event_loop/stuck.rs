//! A loop that does not answer: what another thread gets when it asks for a dump.

use std::io::{self, Write};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::time::Duration;

use waterwheel::{EventLoop, NoDump, RemoteHandle, RunningStep, get_running_loop, spawn, to_thread, yield_now};

use crate::common::connected::connect;
use crate::common::recorder::Recorder;

/// Blocks the loop's thread until another thread has asked for a dump, and returns the error that it got.
fn ask_while_blocked(remote: RemoteHandle) -> NoDump {
    let (answer, answered) = channel();
    std::thread::spawn(move || answer.send(remote.dump(Duration::from_millis(5)).unwrap_err()).unwrap());
    answered.recv().unwrap()
}

/// Like [`ask_while_blocked`], from a step of a running loop.
fn stuck_step() -> RunningStep {
    match ask_while_blocked(get_running_loop().remote()) {
        NoDump::Stalled(Some(step)) => step,
        other => panic!("a step is running: {other:?}"),
    }
}

fn run<T>(debug: bool, main: impl Future<Output = T>) -> T {
    EventLoop::builder().debug(debug).build().unwrap().run(main)
}

/// What the report says of a step, and the line of this file that it names.
#[track_caller]
fn said(step: &RunningStep) -> (&str, u32) {
    let at = step.at.expect("it comes from a line");
    assert_eq!(at.file(), file!());
    (&step.what, at.line())
}

#[test]
fn the_main_future_is_named_by_where_the_loop_was_run() {
    for debug in [false, true] {
        let mut event_loop = EventLoop::builder().debug(debug).build().unwrap();
        let (step, line) = (event_loop.run(async { stuck_step() }), line!());
        assert_eq!(said(&step), ("the main future", line));
        assert!(step.running_for >= Duration::from_millis(5) || !debug, "{step:?}");
        let text = NoDump::Stalled(Some(step)).to_string();
        assert!(text.starts_with("the event loop has taken no turn: the main future has been running for "), "{text}");
    }
}

#[test]
fn a_task_is_named_by_the_line_that_spawned_it_and_in_debug_mode_by_its_name() {
    for (debug, what) in [(false, "a task"), (true, "task \"reader\"")] {
        run(debug, async {
            let other = spawn(async {
                yield_now().await;
                yield_now().await;
            });
            let (task, line) = (spawn(async { stuck_step() }), line!());
            task.set_name("reader");
            assert_eq!(said(&task.await.unwrap()), (what, line));
            other.await.unwrap();
        });
    }
}

#[test]
fn a_callback_is_named_by_the_line_that_scheduled_it() {
    for debug in [false, true] {
        run(debug, async {
            let (step, stepped) = channel();
            let (_handle, line) = (get_running_loop().call_soon(move || step.send(stuck_step()).unwrap()), line!());
            yield_now().await;
            assert_eq!(said(&stepped.recv().unwrap()), ("a callback", line));
        });
    }
}

/// The protocol runs in the turn after a task and a callback, which must not be named instead.
#[test]
fn a_protocol_is_no_task_and_no_callback() {
    for (debug, what) in [(false, "an event of a connection or the drop of a task"), (true, "connection 127.0.0.1:")] {
        let step = run(debug, async {
            let (step, stepped) = channel();
            let protocol = Recorder::reacting(move |word, _| {
                if word == "data" {
                    step.send(stuck_step()).unwrap();
                }
            });
            let (_transport, mut peer) = connect(Rc::clone(&protocol)).await;
            peer.write_all(b"x").unwrap();
            loop {
                get_running_loop().call_soon(|| ());
                yield_now().await;
                if let Ok(step) = stepped.try_recv() {
                    return step;
                }
            }
        });
        assert!(step.what.starts_with(what) && step.at.is_none(), "{step:?}");
    }
}

#[test]
fn a_step_that_panicked_is_not_running_any_more() {
    run(false, async {
        get_running_loop().set_exception_handler(|_| ());
        get_running_loop().call_soon(|| panic!("on purpose"));
        let task = spawn(async { panic!("on purpose") });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(said(&stuck_step()).0, "the main future");
    });
}

#[test]
fn of_a_loop_that_nobody_runs_no_step_is_running() {
    for debug in [false, true] {
        let mut event_loop = EventLoop::builder().debug(debug).build().unwrap();
        event_loop.run(async { drop(to_thread(|| ()).await) });
        let stalled = ask_while_blocked(event_loop.handle().remote());
        assert_eq!(stalled, NoDump::Stalled(None));
        assert_eq!(stalled.to_string(), "the event loop has taken no turn: it is not being run");
        assert_eq!(io::Error::from(stalled).kind(), io::ErrorKind::TimedOut);
    }
}
