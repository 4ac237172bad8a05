//! Signals that the process receives, from itself and from others. Handlers belong to the whole process, so each test
//! runs alone.

use std::cell::{Cell, RefCell};
use std::env;
use std::io::{ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Child, ChildStdin, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use waterwheel::signal_hook::consts::{SIGFPE, SIGILL, SIGINT, SIGKILL, SIGSEGV, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2};
use waterwheel::signal_hook::low_level::raise;
use waterwheel::{EventLoop, ctrl_c, get_running_loop, signals, timeout, to_thread, yield_now};

use crate::common::alone::{alone, run_alone};
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::until::until;

/// A shell that signals this process once for each line that it reads.
fn signaller(name: &str) -> (Child, ChildStdin) {
    let script = format!("while read line; do kill -{name} {}; done", process::id());
    let mut shell = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("there is a shell");
    let lines = shell.stdin.take().expect("it was piped");
    (shell, lines)
}

fn counter() -> (Rc<Cell<usize>>, impl FnMut() + 'static) {
    let count = Rc::new(Cell::new(0));
    (Rc::clone(&count), move || count.set(count.get() + 1))
}

#[test]
fn a_handler_is_a_callback_of_the_loop_and_not_called_inside_the_signal() {
    run_alone(async || {
        let order = Rc::new(RefCell::new(Vec::new()));
        let (handle, said) = (get_running_loop(), Rc::clone(&order));
        handle
            .clone()
            .add_signal_handler(SIGUSR1, move || {
                said.borrow_mut().push("handler");
                let said = Rc::clone(&said);
                get_running_loop().call_soon(move || said.borrow_mut().push("what it scheduled"));
            })
            .unwrap();
        // The borrow shows that the handler does not run in the middle of this block.
        {
            let mut before = order.borrow_mut();
            raise(SIGUSR1).unwrap();
            before.push("sent");
        }
        until("the callbacks ran", || order.borrow().len() == 3).await;
        assert_eq!(*order.borrow(), ["sent", "handler", "what it scheduled"]);
    });
}

#[test]
fn two_signals_of_which_both_came_are_two_calls() {
    run_alone(async || {
        let (count, handler) = counter();
        get_running_loop().add_signal_handler(SIGUSR1, handler).unwrap();
        // Each signal has been delivered to this thread when `raise` returns.
        raise(SIGUSR1).unwrap();
        raise(SIGUSR1).unwrap();
        until("both were heard", || count.get() == 2).await;
    });
}

#[test]
fn adding_again_replaces_the_handler_and_drops_the_earlier_one() {
    run_alone(async || {
        let handle = get_running_loop();
        let (first, handler) = counter();
        handle.add_signal_handler(SIGUSR1, handler).unwrap();
        let (second, handler) = counter();
        handle.add_signal_handler(SIGUSR1, handler).unwrap();
        assert_eq!(Rc::strong_count(&first), 1, "the earlier handler is dropped");
        raise(SIGUSR1).unwrap();
        until("the second is called", || second.get() == 1).await;
        assert_eq!(first.get(), 0);
    });
}

#[test]
fn a_handler_that_is_removed_is_dropped_and_not_called_even_if_its_signal_has_come() {
    run_alone(async || {
        // Both signals arrive in one turn, and whichever handler is called first removes the other.
        let handle = get_running_loop();
        let called = Rc::new(RefCell::new(Vec::new()));
        let mut heard = signals(&[SIGUSR1, SIGUSR2]).unwrap();
        for (signal, other) in [(SIGUSR1, SIGUSR2), (SIGUSR2, SIGUSR1)] {
            let (handle, called) = (handle.clone(), Rc::clone(&called));
            let remove = move || {
                called.borrow_mut().push(signal);
                assert!(get_running_loop().remove_signal_handler(other));
            };
            handle.add_signal_handler(signal, remove).unwrap();
        }
        raise(SIGUSR1).unwrap();
        raise(SIGUSR2).unwrap();
        let came = [heard.next().await, heard.next().await];
        assert!(came.contains(&SIGUSR1) && came.contains(&SIGUSR2), "{came:?}");
        yield_now().await;
        let only = *called.borrow().first().expect("one is called");
        assert_eq!((called.borrow().len(), Rc::strong_count(&called)), (1, 2), "the other is dropped");
        assert!(handle.remove_signal_handler(only), "it is still there");
        assert!(!handle.remove_signal_handler(only));
        assert_eq!(Rc::strong_count(&called), 1, "the removal drops it");
    });
}

#[test]
fn a_handler_may_remove_and_replace_itself() {
    run_alone(async || {
        let handle = get_running_loop();
        let (count, last) = counter();
        let mut last_one = Some(last);
        handle
            .clone()
            .add_signal_handler(SIGUSR1, move || {
                assert!(handle.remove_signal_handler(SIGUSR1));
                handle.add_signal_handler(SIGUSR1, last_one.take().expect("it is called once")).unwrap();
                raise(SIGUSR1).unwrap();
            })
            .unwrap();
        raise(SIGUSR1).unwrap();
        until("the replacement is called", || count.get() == 1).await;
    });
}

#[test]
fn a_handler_that_panics_is_reported_with_its_line_and_stays() {
    run_alone(async || {
        let handle = get_running_loop();
        let incidents = Rc::new(RefCell::new(Vec::new()));
        let told = Rc::clone(&incidents);
        handle.set_debug(false); // The speed of the machine does not matter here.
        handle.set_exception_handler(move |incident| told.borrow_mut().push(incident.to_string()));
        handle.add_signal_handler(SIGUSR1, || panic!("out of the handler")).unwrap();
        for times in 1..=2 {
            raise(SIGUSR1).unwrap();
            until("the panic is reported", || incidents.borrow().len() == times).await;
        }
        let text = incidents.borrow()[1].clone();
        assert!(text.contains("out of the handler") && text.contains("signals.rs"), "{text}");
    });
}

#[test]
fn each_of_a_thousand_signals_of_another_process_is_heard_also_between_two_waits() {
    run_alone(async || {
        let (mut shell, mut lines) = signaller("USR1");
        let mut heard = signals(&[SIGUSR1]).unwrap();
        for round in 0..1_000 {
            lines.write_all(b"\n").unwrap();
            if round % 2 == 0 {
                // The signal may arrive while no task waits for it, and this wait is given up if it has not arrived by
                // then.
                yield_now().await;
                if timeout(Duration::ZERO, heard.next()).await.is_ok() {
                    continue;
                }
            }
            assert_eq!(heard.next().await, SIGUSR1);
        }
        drop(lines);
        assert!(shell.wait().unwrap().success());
    });
}

#[test]
fn a_storm_of_signals_may_coalesce_but_what_comes_after_it_is_heard() {
    run_alone(async || {
        let (count, handler) = counter();
        get_running_loop().add_signal_handler(SIGUSR1, handler).unwrap();
        let script = "i=0; while [ $i -lt 1000 ]; do kill -USR1 $1; i=$((i+1)); done";
        let mut storm = Command::new("sh").args(["-c", script, "sh", &process::id().to_string()]).spawn().unwrap();
        assert!(to_thread(move || storm.wait()).await.unwrap().unwrap().success());
        until("the storm was heard", || count.get() > 0).await;
        for _ in 0..3 {
            yield_now().await;
        }
        let before = count.get();
        assert!(before <= 1_000, "{before} calls for 1,000 signals");
        raise(SIGUSR1).unwrap();
        until("the last is heard", || count.get() > before).await;
    });
}

#[test]
fn what_nobody_takes_is_kept_once_for_each_signal_and_in_order() {
    run_alone(async || {
        let mut heard = signals(&[SIGUSR1, SIGUSR2, SIGUSR1]).unwrap();
        let (count, handler) = counter();
        get_running_loop().add_signal_handler(SIGUSR1, handler).unwrap();
        raise(SIGUSR2).unwrap();
        until("the first is there", || format!("{heard:?}").contains("inbox: [12]")).await;
        for _ in 0..10 {
            raise(SIGUSR1).unwrap();
        }
        until("the others have come", || count.get() == 10).await;
        assert_eq!((heard.next().await, heard.next().await), (SIGUSR2, SIGUSR1));
        raise(SIGUSR2).unwrap();
        assert_eq!(heard.next().await, SIGUSR2, "each was given once");
    });
}

#[test]
fn loops_of_several_threads_each_hear_a_signal() {
    alone(|| {
        let (ready, all_ready) = channel();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let ready = ready.clone();
                thread::spawn(move || {
                    waterwheel::run(async move {
                        let mut heard = signals(&[SIGUSR1]).unwrap();
                        let (count, handler) = counter();
                        get_running_loop().add_signal_handler(SIGUSR1, handler).unwrap();
                        ready.send(()).unwrap();
                        assert_eq!(heard.next().await, SIGUSR1);
                        until("the handler is called", || count.get() == 1).await;
                    });
                })
            })
            .collect();
        (0..3).for_each(|_| all_ready.recv().unwrap());
        raise(SIGUSR1).unwrap();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn ctrl_c_is_awaited_again_for_the_next_one() {
    run_alone(async || {
        let mut stop = ctrl_c();
        for _ in 0..2 {
            get_running_loop().call_soon(|| raise(SIGINT).unwrap());
            (&mut stop).await.unwrap();
        }
    });
}

#[test]
fn numbers_that_are_no_signal_and_signals_that_cannot_be_caught_are_errors() {
    run_alone(async || {
        let handle = get_running_loop();
        let before = open_descriptors();
        for number in [i32::MIN, -1, 0, 65, 1_000, i32::MAX] {
            let error = handle.add_signal_handler(number, || {}).expect_err("there is none");
            assert_eq!(
                (error.kind(), error.to_string()),
                (ErrorKind::InvalidInput, format!("there is no signal {number}"))
            );
            assert!(!handle.remove_signal_handler(number));
        }
        for signal in [SIGKILL, SIGSTOP, SIGSEGV, SIGILL, SIGFPE] {
            let error = handle.add_signal_handler(signal, || {}).expect_err("it cannot be caught");
            assert_eq!(
                (error.kind(), error.to_string()),
                (ErrorKind::Unsupported, format!("signal {signal} cannot be caught"))
            );
            assert!(signals(&[SIGUSR1, signal]).is_err());
        }
        assert_eq!(open_descriptors(), before, "nothing is left of what failed");
    });
}

#[test]
fn listening_leaves_no_descriptor_and_a_loop_that_never_listens_has_none() {
    run_alone(async || {
        let handle = get_running_loop();
        let before = open_descriptors();
        for _ in 0..100 {
            handle.add_signal_handler(SIGUSR1, || {}).unwrap();
            let mut stop = ctrl_c();
            let heard = signals(&[SIGUSR1, SIGUSR2]).unwrap();
            assert!(timeout(Duration::ZERO, &mut stop).await.is_err());
            assert_eq!(open_descriptors(), before + 6, "a pair for each of three signals");
            drop((stop, heard));
            assert!(handle.remove_signal_handler(SIGUSR1));
            assert_eq!(open_descriptors(), before);
        }
        until_descriptors(before).await;
    });
}

#[test]
fn a_loop_that_closes_under_signals_drops_its_handlers_and_streams_that_live_longer_are_harmless() {
    alone(|| {
        let (mut shell, mut lines) = signaller("USR1");
        // One handler stays all the time, so that the default action does not end the process.
        let mut keeper = EventLoop::new().unwrap();
        keeper.handle().add_signal_handler(SIGUSR1, || {}).unwrap();
        let before = open_descriptors();
        for _ in 0..200 {
            lines.write_all(b"\n").unwrap();
            let mut event_loop = EventLoop::new().unwrap();
            let handle = event_loop.handle();
            let (count, handler) = counter();
            handle.add_signal_handler(SIGUSR1, handler).unwrap();
            let heard = event_loop.run(async {
                let mut heard = signals(&[SIGUSR1]).unwrap();
                raise(SIGUSR1).unwrap();
                assert_eq!(heard.next().await, SIGUSR1);
                raise(SIGUSR1).unwrap();
                heard
            });
            drop(event_loop);
            assert_eq!(Rc::strong_count(&count), 1, "closing drops the handler");
            assert_eq!(open_descriptors(), before, "and ends the listening");
            assert!(handle.add_signal_handler(SIGUSR1, || {}).is_err());
            assert!(!handle.remove_signal_handler(SIGUSR1));
            drop(heard);
        }
        drop(lines);
        assert!(shell.wait().unwrap().success());
        keeper.run(async {});
    });
}

/// The environment variable that tells a child process how to stop listening, before a signal ends it.
const ENDS: &str = "WATERWHEEL_ENDS_BY_A_SIGNAL";

/// Listens for a signal, receives it, stops listening, and sends it again.
fn cease_and_send(signal: i32, how: &str) {
    let mut event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    let (count, handler) = counter();
    handle.add_signal_handler(signal, handler).unwrap();
    let listening = event_loop.run(async {
        let mut heard = signals(&[signal]).unwrap();
        raise(signal).unwrap();
        assert_eq!(heard.next().await, signal);
        until("the handler is called", || count.get() == 1).await;
        heard
    });
    println!("heard");
    match how {
        "removed" => {
            drop(listening);
            handle.remove_signal_handler(signal);
        }
        "closed" => drop(event_loop),
        _ => unreachable!("there are two ways"),
    }
    raise(signal).unwrap();
    println!("survived");
}

/// Runs the test `name` of this file again, in a process that the signal is to end.
fn ends(name: &str, how: &str) -> (process::ExitStatus, String) {
    let name = format!("signals::{name}");
    let mut command = Command::new(env::current_exe().unwrap());
    let output = command.args(["--exact", &name, "--nocapture"]).env(ENDS, how).output().unwrap();
    (output.status, String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn when_nobody_listens_any_more_the_signal_ends_the_process_again() {
    if let Ok(how) = env::var(ENDS) {
        return cease_and_send(SIGTERM, &how);
    }
    for how in ["removed", "closed"] {
        let (status, said) = ends("when_nobody_listens_any_more_the_signal_ends_the_process_again", how);
        assert_eq!(status.signal(), Some(SIGTERM), "{how}: {said}");
        assert!(said.contains("heard") && !said.contains("survived"), "{how}: {said}");
    }
}

#[test]
fn a_signal_without_a_name_ends_the_process_with_a_status_that_has_its_number() {
    const REAL_TIME: i32 = 40;
    if let Ok(how) = env::var(ENDS) {
        return cease_and_send(REAL_TIME, &how);
    }
    let (status, said) = ends("a_signal_without_a_name_ends_the_process_with_a_status_that_has_its_number", "removed");
    assert_eq!(status.code(), Some(128 + REAL_TIME), "{said}");
    assert!(said.contains("heard") && !said.contains("survived"), "{said}");
}
