//! What exists while nothing goes on: descriptors, timers, tasks, and memory.

use std::alloc::System;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use waterwheel::{get_running_loop, sleep};

use crate::common::descriptors::open_descriptors;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many bytes the process has allocated and not freed.
pub(super) fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Counts in which leftovers show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Remains {
    pub(super) descriptors: usize,
    timers: usize,
    tasks: usize,
}

pub(super) fn remains() -> Remains {
    Remains { descriptors: open_descriptors(), timers: timers(), tasks: count("tasks") }
}

/// How many timers the running loop has.
pub(super) fn timers() -> usize {
    count("timers")
}

/// A count in the `Debug` output of the running loop.
fn count(field: &str) -> usize {
    let text = format!("{:?}", get_running_loop());
    let (_, rest) = text.split_once(&format!("{field}: ")).expect("a loop says how many of them it has");
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().expect("it is a number")
}

/// Lets the loop run until there is no more than before, for a few seconds at most.
pub(super) async fn until_nothing_is_left(after: &str, before: Remains) {
    for _ in 0..5000 {
        if remains() == before {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("after {after} there is {:?}, and before there was {before:?}", remains());
}
