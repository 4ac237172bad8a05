//! The same programs on both runtimes. Only the few names that the macro takes differ.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::children::own_cpu_time;

const NOTIFY: &str = "`tokio::sync::Notify` round trip";
const START_AND_STOP: &str = "runtime start and stop";

pub(crate) const BENCHES: &[&str] = &[
    "spawn and await",
    "spawn, 1,000 tasks",
    "spawn, 100,000 tasks",
    "spawn, 1,000,000 tasks",
    "yield, 1 task",
    "yield, 100 tasks",
    "wake round trip",
    NOTIFY,
    "timer armed, cancelled",
    "1,000 timers armed, cancelled",
    "100,000 timers armed, cancelled",
    "1,000,000 timers armed, cancelled",
    "1,000 timers fired (CPU)",
    "100,000 timers fired (CPU)",
    "1,000,000 timers fired (CPU)",
    START_AND_STOP,
];

/// Runs a bench, and returns the nanoseconds for one operation.
pub(crate) fn run(runtime: &str, bench: &str) -> f64 {
    match runtime {
        "waterwheel" if bench == START_AND_STOP => starts_and_stops(|| waterwheel::run(async {})),
        "waterwheel" => waterwheel::run(on_waterwheel::run(bench)),
        _ if bench == START_AND_STOP => starts_and_stops(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {});
        }),
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            // On tokio, tasks that hold an `Rc` need a `LocalSet`.
            let local = tokio::task::LocalSet::new();
            match bench {
                // Only this bench needs an `Rc`; the others do not pay for the `LocalSet`.
                "wake round trip" => runtime.block_on(local.run_until(on_tokio::run(bench))),
                _ => runtime.block_on(on_tokio::run(bench)),
            }
        }
    }
}

fn starts_and_stops(start_and_stop: impl Fn()) -> f64 {
    const COUNT: u32 = 2_000;
    let start = Instant::now();
    for _ in 0..COUNT {
        start_and_stop();
    }
    each(start, COUNT)
}

/// The time for each of `count`.
fn each(start: Instant, count: u32) -> f64 {
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

/// Two tasks that wake each other with std's wakers, as any hand-written future does.
#[derive(Default)]
struct PingPong {
    turn: Cell<usize>,
    wakers: [RefCell<Option<Waker>>; 2],
}

impl PingPong {
    /// Waits for the turn of side `me`, and passes the turn to the other side.
    async fn pass(&self, me: usize) {
        poll_fn(|cx| {
            if self.turn.get() == me {
                return Poll::Ready(());
            }
            *self.wakers[me].borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        self.turn.set(1 - me);
        let other = self.wakers[1 - me].borrow_mut().take();
        if let Some(other) = other {
            other.wake();
        }
    }
}

/// Polls a future once, which arms its timer.
async fn poll_once(mut future: Pin<&mut impl Future<Output = ()>>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

macro_rules! programs {
    ($module:ident, $spawn:path, $spawn_local:path, $yield:path, $sleep:path) => {
        mod $module {
            use super::*;

            pub(super) async fn run(bench: &str) -> f64 {
                match bench {
                    "spawn and await" => spawn_and_await().await,
                    "spawn, 1,000 tasks" => many_spawns(1_000, 100).await,
                    "spawn, 100,000 tasks" => many_spawns(100_000, 2).await,
                    "spawn, 1,000,000 tasks" => many_spawns(1_000_000, 1).await,
                    "yield, 1 task" => yields(1).await,
                    "yield, 100 tasks" => yields(100).await,
                    "wake round trip" => wakes().await,
                    NOTIFY => notifies().await,
                    "timer armed, cancelled" => $spawn(cancelled_timer()).await.expect("the task ends well"),
                    "1,000 timers armed, cancelled" => cancelled_timers(1_000, 300).await,
                    "100,000 timers armed, cancelled" => cancelled_timers(100_000, 3).await,
                    "1,000,000 timers armed, cancelled" => cancelled_timers(1_000_000, 1).await,
                    "1,000 timers fired (CPU)" => fired_timers(1_000, 30).await,
                    "100,000 timers fired (CPU)" => fired_timers(100_000, 2).await,
                    "1,000,000 timers fired (CPU)" => fired_timers(1_000_000, 1).await,
                    _ => panic!("no such bench: {bench}"),
                }
            }

            async fn spawn_and_await() -> f64 {
                const COUNT: u32 = 300_000;
                let start = Instant::now();
                for n in 0..COUNT {
                    assert_eq!($spawn(async move { n }).await.expect("the task ends well"), n);
                }
                each(start, COUNT)
            }

            async fn many_spawns(count: u32, times: u32) -> f64 {
                let start = Instant::now();
                for _ in 0..times {
                    let tasks: Vec<_> = (0..count).map(|n| $spawn(async move { n })).collect();
                    for (n, task) in (0..).zip(tasks) {
                        assert_eq!(task.await.expect("the task ends well"), n);
                    }
                }
                each(start, count * times)
            }

            /// With a single task, tokio polls epoll in every turn; with a hundred tasks, that cost is shared.
            async fn yields(tasks: u32) -> f64 {
                const COUNT: u32 = 1_000_000;
                let start = Instant::now();
                let share = COUNT / tasks;
                let yielding = move || async move {
                    for _ in 0..share {
                        $yield().await;
                    }
                };
                let tasks: Vec<_> = (0..tasks).map(|_| $spawn(yielding())).collect();
                for task in tasks {
                    task.await.expect("the task ends well");
                }
                each(start, COUNT)
            }

            async fn wakes() -> f64 {
                const COUNT: u32 = 1_000_000;
                let table = Rc::new(PingPong::default());
                let start = Instant::now();
                let sides = [0, 1].map(|me| {
                    let table = Rc::clone(&table);
                    $spawn_local(async move {
                        for _ in 0..COUNT {
                            table.pass(me).await;
                        }
                    })
                });
                for side in sides {
                    side.await.expect("the task ends well");
                }
                each(start, COUNT)
            }

            async fn notifies() -> f64 {
                const COUNT: u32 = 500_000;
                let table = Arc::new([Notify::new(), Notify::new()]);
                table[0].notify_one();
                let start = Instant::now();
                let sides = [0, 1].map(|me| {
                    let table = Arc::clone(&table);
                    $spawn(async move {
                        for _ in 0..COUNT {
                            table[me].notified().await;
                            table[1 - me].notify_one();
                        }
                    })
                });
                for side in sides {
                    side.await.expect("the task ends well");
                }
                each(start, COUNT)
            }

            async fn cancelled_timer() -> f64 {
                const COUNT: u32 = 1_000_000;
                let start = Instant::now();
                for _ in 0..COUNT {
                    poll_once(pin!($sleep(Duration::from_secs(10)))).await;
                }
                each(start, COUNT)
            }

            /// `count` timers at once, with deadlines in pseudo-random order.
            async fn cancelled_timers(count: u32, times: u32) -> f64 {
                let start = Instant::now();
                for _ in 0..times {
                    let mut timers = Vec::with_capacity(count as usize);
                    for n in 0..count {
                        let after = Duration::from_micros(10_000_000 + u64::from(n.wrapping_mul(2_654_435_761) >> 8));
                        let mut timer = Box::pin($sleep(after));
                        poll_once(timer.as_mut()).await;
                        timers.push(timer);
                    }
                }
                each(start, count * times)
            }

            /// Tasks that each sleep for 1 to 10 ms. This is CPU time, including spawning, so waiting is not counted.
            async fn fired_timers(count: u32, times: u32) -> f64 {
                let start = own_cpu_time();
                for _ in 0..times {
                    let sleep = |n| $spawn(async move { $sleep(Duration::from_micros(1_000 + n)).await });
                    let tasks: Vec<_> = (0..u64::from(count)).map(|n| sleep(n * 7 % 9_000)).collect();
                    for task in tasks {
                        task.await.expect("the task ends well");
                    }
                }
                (own_cpu_time() - start) as f64 / f64::from(count * times)
            }
        }
    };
}

programs!(on_waterwheel, waterwheel::spawn, waterwheel::spawn, waterwheel::yield_now, waterwheel::sleep);
programs!(on_tokio, tokio::spawn, tokio::task::spawn_local, tokio::task::yield_now, tokio::time::sleep);
