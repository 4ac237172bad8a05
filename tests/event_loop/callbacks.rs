//! Handles: cancelling, panics of callbacks and their reports, and calls from other threads.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::common::running::turns;
use crate::common::trace::Trace;
use crate::common::watchdog::watchdog;
use crate::setting::{one_turn, setting};
use waterwheel::{Handle, LoopHandle, Promise, get_running_loop, spawn, yield_now};

#[test]
fn cancelling_drops_the_callback_at_once_and_the_loop_passes_over_it() {
    let (mut event_loop, handle, trace) = setting();
    let held = Rc::new(());
    let captured = Rc::clone(&held);
    let cancelled = handle.call_soon(move || drop(captured));
    handle.call_soon(trace.saying("other"));
    cancelled.cancel();
    assert_eq!(Rc::strong_count(&held), 1);
    cancelled.cancel();
    assert!(cancelled.is_cancelled());
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["other"]);
}

#[test]
fn a_callback_may_cancel_a_later_one_of_the_same_turn() {
    let (mut event_loop, handle, trace) = setting();
    let later = Rc::new(RefCell::new(None::<Handle>));
    let (cancelling, said) = (Rc::clone(&later), trace.clone());
    handle.call_soon(move || {
        said.say("canceller");
        cancelling.borrow().as_ref().unwrap().cancel();
    });
    later.replace(Some(handle.call_soon(trace.saying("cancelled"))));
    handle.call_soon(trace.saying("untouched"));
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["canceller", "untouched"]);
}

#[test]
fn a_callback_may_cancel_itself_while_it_runs_and_cancelling_afterwards_does_nothing() {
    let (mut event_loop, handle, trace) = setting();
    let own = Rc::new(RefCell::new(None::<Handle>));
    let (itself, said) = (Rc::clone(&own), trace.clone());
    own.replace(Some(handle.call_soon(move || {
        itself.borrow().as_ref().unwrap().cancel();
        said.say("ran to its end");
    })));
    one_turn(&mut event_loop);
    own.borrow().as_ref().unwrap().cancel();
    assert!(!own.borrow().as_ref().unwrap().is_cancelled());
    assert_eq!(trace.words(), ["ran to its end"]);
}

#[test]
fn dropping_a_handle_lets_the_callback_run() {
    let (mut event_loop, handle, trace) = setting();
    drop(handle.call_soon(trace.saying("ran")));
    drop(handle.call_later(Duration::ZERO, trace.saying("ran later")));
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["ran", "ran later"]);
}

#[test]
fn a_callback_whose_cancelled_captures_schedule_more_is_no_trouble() {
    struct SchedulesWhenDropped(LoopHandle, Trace);
    impl Drop for SchedulesWhenDropped {
        fn drop(&mut self) {
            self.0.call_soon(self.1.saying("scheduled by the drop"));
        }
    }
    let (mut event_loop, handle, trace) = setting();
    let captured = SchedulesWhenDropped(handle.clone(), trace.clone());
    let cancelled = handle.call_soon(move || drop(captured));
    cancelled.cancel();
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["scheduled by the drop"]);
}

#[test]
fn a_panic_in_a_callback_is_reported_with_its_line_and_the_turn_goes_on() {
    let (mut event_loop, handle, trace) = setting();
    let said = trace.clone();
    handle.set_debug(false); // The speed of the machine does not matter here.
    handle.set_exception_handler(move |incident| {
        let location = incident.location().expect("where it was scheduled");
        assert!(location.file().ends_with("callbacks.rs"), "{location}");
        said.say(format!("{}: {}", incident.message(), incident.panic().unwrap()));
    });
    handle.call_soon(|| panic!("one"));
    handle.call_soon(trace.saying("between"));
    handle.call_later(Duration::ZERO, || panic!("{}", "two"));
    handle.call_soon(|| std::panic::panic_any(3));
    one_turn(&mut event_loop);
    assert_eq!(
        trace.take(),
        [
            "A callback panicked: one",
            "between",
            "A callback panicked: a value that is not text",
            "A callback panicked: two"
        ]
    );
    // By default incidents are logged, which must not fail either.
    handle.reset_exception_handler();
    handle.call_soon(|| panic!("logged"));
    handle.call_soon(trace.saying("after"));
    one_turn(&mut event_loop);
    assert_eq!(trace.take(), ["after"]);
}

#[test]
fn an_exception_handler_that_panics_is_survived() {
    let (mut event_loop, handle, trace) = setting();
    let said = trace.clone();
    handle.set_debug(false); // The speed of the machine does not matter here.
    handle.set_exception_handler(move |incident| {
        said.say(incident.panic().unwrap());
        panic!("the handler itself");
    });
    handle.call_soon(|| panic!("one"));
    handle.call_soon(|| panic!("two"));
    handle.call_soon(trace.saying("after"));
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["one", "two", "after"]);
}

#[test]
fn an_exception_handler_may_replace_itself_and_schedule() {
    let (mut event_loop, handle, trace) = setting();
    let (inner, said) = (handle.clone(), trace.clone());
    handle.set_debug(false); // The speed of the machine does not matter here.
    handle.set_exception_handler(move |_| {
        said.say("first handler");
        inner.call_soon(said.saying("scheduled"));
        let said = said.clone();
        inner.set_exception_handler(move |_| said.say("second handler"));
    });
    handle.call_soon(|| panic!());
    handle.call_soon(|| panic!());
    one_turn(&mut event_loop);
    one_turn(&mut event_loop);
    assert_eq!(trace.words(), ["first handler", "second handler", "scheduled"]);
}

#[test]
fn callbacks_of_one_thread_run_in_the_order_in_which_it_sent_them() {
    let _watchdog = watchdog();
    let (mut event_loop, handle, _) = setting();
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..4_u32)
        .map(|thread| {
            let (remote, sender) = (handle.remote(), sender.clone());
            std::thread::spawn(move || {
                for n in 0..500_u32 {
                    let sender = sender.clone();
                    assert!(remote.call_soon(move || sender.send((thread, n)).unwrap()));
                }
            })
        })
        .collect();
    drop(sender);
    let mut seen = [0_u32; 4];
    event_loop.run(async {
        crate::common::until::until("all callbacks", || {
            while let Ok((thread, n)) = receiver.try_recv() {
                assert_eq!(n, seen[thread as usize], "of thread {thread}");
                seen[thread as usize] += 1;
            }
            seen == [500; 4]
        })
        .await;
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_thread_wakes_a_loop_that_sleeps_for_ever() {
    let _watchdog = watchdog();
    let (mut event_loop, handle, _) = setting();
    for round in 0..50 {
        let remote = handle.remote();
        let thread = std::thread::spawn(move || {
            if round % 2 == 0 {
                // By now the loop most likely sleeps; in odd rounds the bell mostly rings before it does.
                std::thread::sleep(Duration::from_millis(1));
            }
            remote.call_soon(|| get_running_loop().stop())
        });
        event_loop.run_forever();
        assert!(thread.join().unwrap());
    }
}

#[test]
fn what_a_thread_sends_between_two_runs_waits_for_the_next() {
    let _watchdog = watchdog();
    let (mut event_loop, handle, _) = setting();
    event_loop.run(async {});
    let ran = Arc::new(AtomicBool::new(false));
    let (remote, heard) = (handle.remote(), Arc::clone(&ran));
    std::thread::spawn(move || remote.call_soon(move || heard.store(true, Ordering::SeqCst))).join().unwrap();
    assert!(!ran.load(Ordering::SeqCst));
    event_loop.run(turns(2));
    assert!(ran.load(Ordering::SeqCst));
}

#[test]
fn a_panic_in_a_callback_from_a_thread_is_reported() {
    let _watchdog = watchdog();
    crate::common::running::run(async {
        let incidents = Trace::of_incidents();
        let remote = get_running_loop().remote();
        std::thread::spawn(move || remote.call_soon(|| panic!("from afar"))).join().unwrap();
        crate::common::until::until("the report", || !incidents.words().is_empty()).await;
        assert_eq!(incidents.words(), ["from afar"]);
    });
}

#[test]
fn a_closed_loop_refuses_threads_and_drops_the_callback_where_it_was_refused() {
    let (event_loop, handle, _) = setting();
    let remote = handle.remote();
    let (waiting, refused) = (Arc::new(()), Arc::new(()));
    let (held, sender) = (Arc::clone(&waiting), remote.clone());
    assert!(std::thread::spawn(move || sender.call_soon(move || drop(held))).join().unwrap());
    drop(event_loop);
    assert_eq!(Arc::strong_count(&waiting), 1);
    let held = Arc::clone(&refused);
    let sent = std::thread::spawn(move || remote.call_soon(move || drop(held))).join().unwrap();
    assert!(!sent);
    assert_eq!(Arc::strong_count(&refused), 1);
}

#[test]
fn a_promise_is_kept_once_and_wakes_all_who_wait_in_their_order() {
    crate::common::running::run(async {
        let (promise, trace) = (Promise::new(), Trace::default());
        let tasks: Vec<_> = (0..3)
            .map(|n| {
                let (promise, trace) = (promise.clone(), trace.clone());
                spawn(async move {
                    let value: u32 = promise.wait().await;
                    trace.say(format!("task {n} got {value}"));
                })
            })
            .collect();
        turns(3).await;
        assert_eq!(promise.set(7), Ok(()));
        trace.say("set returned");
        assert_eq!(promise.set(8), Err(8));
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(trace.words(), ["set returned", "task 0 got 7", "task 1 got 7", "task 2 got 7"]);
        // Waiting for a promise that is already set lets no turn pass.
        let soon = get_running_loop().call_soon(|| {});
        promise.wait().await;
        soon.cancel();
        assert!(soon.is_cancelled(), "no turn passed");
        yield_now().await;
    });
}
