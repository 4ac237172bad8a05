//! What a burst needed is given back, also when something from it lives on.

use std::future::pending;
use std::time::Duration;

use gate::counting::{self, Counting};
use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, Promise, Task, sleep, spawn, yield_now};

#[global_allocator]
static COUNTING: Counting = Counting;

const BURST: usize = 1_000_000;

/// What may stay of a burst: what is kept for the next thousand, and a pointer for each piece of a table.
const KEPT: usize = 1024 * 1024;

/// How many bytes more than before are held after `burst`, on a loop that has run before.
fn held_after(burst: impl AsyncFnOnce()) -> usize {
    let mut event_loop = EventLoop::builder().clock(std::rc::Rc::new(ManualClock::new())).build().expect("a loop");
    event_loop.run(async { sleep(Duration::from_millis(1)).await });
    let before = counting::live_bytes();
    event_loop.run(burst());
    // The ready queue gives back what it needed once it has seen that little is ready.
    event_loop.run(async {
        for _ in 0..8 {
            yield_now().await;
        }
    });
    counting::live_bytes() - before
}

#[track_caller]
fn assert_given_back(burst: impl AsyncFnOnce()) {
    let held = held_after(burst);
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
    // The first, one in the middle, the last; the others fire, or are cancelled.
    for stays in [0, BURST / 2, BURST - 1] {
        for cancelled in [false, true] {
            assert_given_back(async || {
                let handle = waterwheel::get_running_loop();
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
