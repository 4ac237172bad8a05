//! The memory that a burst needed is freed, even if something from the burst lives on.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, Instant};

use gate::counting::{self, Counting};
use waterwheel::testing::ManualClock;
use waterwheel::{
    Clock, EventLoop, Promise, SystemClock, Task, get_running_loop, sleep, sleep_until, spawn, yield_now,
};

#[global_allocator]
static COUNTING: Counting = Counting;

const BURST: usize = 1_000_000;

/// How many bytes may remain after a burst: memory kept for the next thousand, and a pointer for each piece of a
/// table.
const KEPT: usize = 1024 * 1024;

/// How many more bytes are held after `burst` than before, on a loop with this clock that has run before.
fn held_after(clock: Rc<dyn Clock>, burst: impl AsyncFnOnce()) -> usize {
    let mut event_loop = EventLoop::builder().clock(clock).build().expect("a loop");
    event_loop.run(async { sleep(Duration::from_millis(1)).await });
    let before = counting::live_bytes();
    event_loop.run(burst());
    // The ready queue frees its memory once it has seen that few entries are ready.
    event_loop.run(async {
        for _ in 0..8 {
            yield_now().await;
        }
    });
    // It may be less, if spare memory had been kept before.
    counting::live_bytes().saturating_sub(before)
}

#[track_caller]
fn assert_given_back(burst: impl AsyncFnOnce()) {
    let held = held_after(Rc::new(ManualClock::new()), burst);
    assert!(held <= KEPT, "{held} bytes stay after a burst of {BURST}");
}

#[test]
fn a_million_tasks_leave_nothing() {
    assert_given_back(async || {
        let tasks: Vec<Task<()>> = (0..BURST).map(|_| spawn(async {})).collect();
        for task in tasks {
            task.await.expect("it ends well");
        }
    });
}

#[test]
fn a_task_that_stays_holds_none_of_a_million_others() {
    assert_given_back(async || {
        let mut tasks: Vec<Task<()>> = (0..BURST).map(|_| spawn(pending())).collect();
        drop(tasks.pop());
        for task in &tasks {
            task.cancel();
        }
        for task in tasks {
            task.await.expect_err("it was cancelled");
        }
    });
}

#[test]
fn a_timer_that_stays_holds_none_of_a_million_others() {
    // The one that stays is the first, one in the middle, or the last; the others fire, or are cancelled.
    for stays in [0, BURST / 2, BURST - 1] {
        for cancelled in [false, true] {
            assert_given_back(async || {
                let handle = get_running_loop();
                let hour = Duration::from_secs(3_600);
                let arm = |number| {
                    let delay = if number == stays { hour } else { Duration::from_secs(1) };
                    handle.call_later(delay, || ())
                };
                let timers: Vec<_> = (0..BURST).map(arm).collect();
                if cancelled {
                    timers
                        .iter()
                        .enumerate()
                        .filter(|(number, _)| *number != stays)
                        .for_each(|(_, timer)| timer.cancel());
                }
                drop(timers);
                sleep(Duration::from_secs(2)).await;
            });
        }
    }
}

#[test]
fn of_the_timers_among_a_million_that_are_cancelled_each_fires_once_and_none_early() {
    const FIRING: u32 = BURST as u32 / 5;
    let (fired, early) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    // With the system's clock, which the test reads as well.
    let held = held_after(Rc::new(SystemClock), async || {
        let handle = get_running_loop();
        let start = handle.time();
        // All of this is one step, so no timer fires in between.
        let mut cancelled = Vec::new();
        for number in 0..FIRING {
            // The deadlines are in no order, since 7919 and the number of deadlines have no common divisor.
            let deadline = start + Duration::from_micros(u64::from(number) * 7_919 % 500_000);
            let (fired, early) = (Rc::clone(&fired), Rc::clone(&early));
            handle.call_at(deadline, move || {
                fired.set(fired.get() + 1);
                early.set(early.get() + u32::from(Instant::now() < deadline));
            });
            // Before the deadline, exactly at it, and after it.
            for other in [Duration::ZERO, deadline - start, Duration::from_millis(250), Duration::MAX] {
                cancelled.push(handle.call_later(other, || panic!("it was cancelled")));
            }
            cancelled.push(handle.call_at(deadline, || panic!("it was cancelled")));
            // Some are cancelled while others are still being armed, and the rest when all are armed.
            if number % 2 == 0 {
                cancelled.drain(..).for_each(|timer| timer.cancel());
            }
        }
        cancelled.drain(..).for_each(|timer| timer.cancel());
        drop(cancelled);
        sleep_until(start + Duration::from_millis(500)).await;
        yield_now().await;
    });
    assert_eq!((fired.get(), early.get()), (FIRING, 0));
    assert!(held <= KEPT, "{held} bytes stay");
}

#[test]
fn a_waiter_that_stays_holds_none_of_a_million_others() {
    let promise = Promise::<()>::new();
    assert_given_back(async || {
        let waiting = |_| {
            let promise = promise.clone();
            spawn(async move { promise.wait().await })
        };
        let mut tasks: Vec<Task<()>> = (0..BURST).map(waiting).collect();
        yield_now().await;
        drop(tasks.pop());
        for task in &tasks {
            task.cancel();
        }
        for task in tasks {
            task.await.expect_err("it was cancelled");
        }
    });
}
