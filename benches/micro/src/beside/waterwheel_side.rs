//! The work on waterwheel.

use std::convert::Infallible;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use waterwheel::{EventLoop, TaskGroup, create_subprocess_exec, gather, interval, spawn, to_thread, yield_now};

use crate::{INTERVALS, PERIOD, TASKS, each, own_cpu_time};

/// Runs `main` on a loop that has run before, like the loop of a program that has started up.
fn warm<T>(main: impl AsyncFn() -> T) -> T {
    let mut event_loop = EventLoop::new().expect("a loop");
    event_loop.run(main());
    event_loop.run(main())
}

pub(crate) fn gather_all(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for _ in 0..times {
            let outputs = gather((0..TASKS).map(|n| async move { n })).await.expect("none panics");
            assert_eq!(outputs.len(), TASKS as usize);
        }
        each(start, times * TASKS)
    })
}

pub(crate) fn group(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for _ in 0..times {
            let group = TaskGroup::<Infallible>::run(async |group| {
                for n in 0..TASKS {
                    group.create_task(async move {
                        black_box(n);
                        Ok(())
                    });
                }
                Ok(())
            });
            group.await.expect("none fails");
        }
        each(start, times * TASKS)
    })
}

pub(crate) fn yielding_group(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for _ in 0..times {
            let group = TaskGroup::<Infallible>::run(async |group| {
                for n in 0..TASKS {
                    group.create_task(async move {
                        yield_now().await;
                        black_box(n);
                        Ok(())
                    });
                }
                Ok(())
            });
            group.await.expect("none fails");
        }
        each(start, times * TASKS)
    })
}

pub(crate) fn to_threads(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for n in 0..times {
            assert_eq!(to_thread(move || n).await.expect("it does not panic"), n);
        }
        each(start, times)
    })
}

pub(crate) fn many_to_threads(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for _ in 0..times {
            let jobs: Vec<_> = (0..TASKS).map(|n| to_thread(move || n)).collect();
            for (n, job) in (0..).zip(jobs) {
                assert_eq!(job.await.expect("it does not panic"), n);
            }
        }
        each(start, times * TASKS)
    })
}

/// Each of these ticks is due before it is awaited.
pub(crate) fn late_ticks(times: u32) -> f64 {
    warm(async || {
        let mut ticks = interval(Duration::from_nanos(1));
        let start = Instant::now();
        for _ in 0..times {
            ticks.tick().await;
        }
        each(start, times)
    })
}

pub(crate) fn ticks(times: u32) -> f64 {
    warm(async || {
        let start = own_cpu_time();
        let ticking = || async move {
            let mut ticks = interval(PERIOD);
            for _ in 0..times {
                ticks.tick().await;
            }
        };
        let tasks: Vec<_> = (0..INTERVALS).map(|_| spawn(ticking())).collect();
        for task in tasks {
            task.await.expect("it ends well");
        }
        (own_cpu_time() - start) / f64::from(times * INTERVALS)
    })
}

pub(crate) fn children(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for _ in 0..times {
            let mut child = create_subprocess_exec(Command::new("/bin/true")).expect("it can be started");
            assert!(child.wait().await.expect("it is our child").success());
        }
        each(start, times)
    })
}
