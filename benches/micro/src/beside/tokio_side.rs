//! The work on tokio's current-thread runtime.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet, spawn_blocking, yield_now};
use tokio::time::interval;

use crate::{INTERVALS, PERIOD, TASKS, each, own_cpu_time};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn warm<T>(main: impl AsyncFn() -> T) -> T {
    let runtime = runtime();
    runtime.block_on(main());
    runtime.block_on(main())
}

pub(crate) fn join_all(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for _ in 0..times {
            let tasks: Vec<_> = (0..TASKS).map(|n| tokio::spawn(async move { n })).collect();
            let mut outputs = Vec::with_capacity(tasks.len());
            for task in tasks {
                outputs.push(task.await.expect("none panics"));
            }
            assert_eq!(outputs.len(), TASKS as usize);
        }
        each(start, times * TASKS)
    })
}

pub(crate) fn join_set(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for _ in 0..times {
            let mut tasks = JoinSet::new();
            for n in 0..TASKS {
                tasks.spawn(async move {
                    black_box(n);
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("none fails");
            }
        }
        each(start, times * TASKS)
    })
}

pub(crate) fn yielding_join_set(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for _ in 0..times {
            let mut tasks = JoinSet::new();
            for n in 0..TASKS {
                tasks.spawn(async move {
                    yield_now().await;
                    black_box(n);
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("none fails");
            }
        }
        each(start, times * TASKS)
    })
}

/// With tasks that may hold an `Rc`, as all of ours may.
pub(crate) fn local_join_set(times: u32) -> f64 {
    let local = async || {
        let start = Instant::now();
        for _ in 0..times {
            let mut tasks = JoinSet::new();
            for n in 0..TASKS {
                tasks.spawn_local(async move {
                    black_box(n);
                });
            }
            while let Some(ended) = tasks.join_next().await {
                ended.expect("none fails");
            }
        }
        each(start, times * TASKS)
    };
    let (runtime, tasks) = (runtime(), LocalSet::new());
    runtime.block_on(tasks.run_until(local()));
    runtime.block_on(tasks.run_until(local()))
}

pub(crate) fn spawn_blockings(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for n in 0..times {
            assert_eq!(spawn_blocking(move || n).await.expect("it does not panic"), n);
        }
        each(start, times)
    })
}

pub(crate) fn many_spawn_blockings(times: u32) -> f64 {
    warm(async || {
        let start = Instant::now();
        for _ in 0..times {
            let jobs: Vec<_> = (0..TASKS).map(|n| spawn_blocking(move || n)).collect();
            for (n, job) in (0..).zip(jobs) {
                assert_eq!(job.await.expect("it does not panic"), n);
            }
        }
        each(start, times * TASKS)
    })
}

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
        let tasks: Vec<_> = (0..INTERVALS).map(|_| tokio::spawn(ticking())).collect();
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
            let mut child = Command::new("/bin/true").spawn().expect("it can be started");
            assert!(child.wait().await.expect("it is our child").success());
        }
        each(start, times)
    })
}
