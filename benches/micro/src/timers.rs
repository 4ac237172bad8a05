//! Timers: arming, cancelling, firing. Time jumps, so nothing is spent on waiting.

use std::rc::Rc;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, TimerHandle, get_running_loop, sleep, spawn};

use crate::{TIMES, event_loop};

/// Deadlines in pseudo-random order.
fn delay(n: usize) -> Duration {
    Duration::from_micros((n * 7_919 % 10_007) as u64 + 1)
}

/// One timer at a time, next to others that stay armed.
#[divan::bench(args = [0, 10_000])]
fn arm_and_cancel(bencher: Bencher<'_, '_>, others: usize) {
    let mut event_loop = event_loop();
    let handle = event_loop.handle();
    for n in 0..others {
        handle.call_later(Duration::from_secs(3_600) + delay(n), || ());
    }
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            for n in 0..TIMES {
                handle.call_later(Duration::from_secs(3_600) + delay(n), || ()).cancel();
            }
        });
    });
}

/// All timers are armed, then all are cancelled.
#[divan::bench(args = [1_000, 100_000])]
fn arm_many_and_cancel_all(bencher: Bencher<'_, '_>, timers: usize) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(timers)).bench_local(|| {
        event_loop.run(async {
            let handle = get_running_loop();
            let arm = |n| handle.call_later(Duration::from_secs(10) + delay(n), || ());
            let armed: Vec<TimerHandle> = (0..timers).map(arm).collect();
            armed.iter().for_each(TimerHandle::cancel);
        });
    });
}

/// Callbacks at deadlines in pseudo-random order, from arming to the last one.
#[divan::bench(args = [1_000, 100_000])]
fn arm_and_fire(bencher: Bencher<'_, '_>, timers: usize) {
    let mut event_loop = jumping();
    bencher.counter(ItemsCount::new(timers)).bench_local(|| {
        event_loop.run(async {
            let handle = get_running_loop();
            for n in 0..timers {
                handle.call_later(delay(n), || ());
            }
            sleep(Duration::from_secs(1)).await;
        });
    });
}

/// Tasks that sleep, from spawning to the end of the last one.
#[divan::bench]
fn sleeping_tasks(bencher: Bencher<'_, '_>) {
    let mut event_loop = jumping();
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            let sleeping: Vec<_> = (0..TIMES).map(|n| spawn(sleep(delay(n)))).collect();
            for task in sleeping {
                task.await.expect("it ends well");
            }
        });
    });
}

fn jumping() -> EventLoop {
    EventLoop::builder().clock(Rc::new(ManualClock::new())).build().expect("a loop")
}
