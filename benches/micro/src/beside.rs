//! The parts of whole programs, compared with tokio's current-thread runtime: the same work on each, alternately. The
//! table has the medians of the rounds, per task, tick or round trip; waterwheel is ahead where the ratio is under 1.
//! Words select the lines:
//!
//!     cargo bench --manifest-path benches/micro/Cargo.toml --bench beside -- group

#[path = "beside/tokio_side.rs"]
mod tokio_side;
#[path = "beside/waterwheel_side.rs"]
mod waterwheel_side;

use std::time::{Duration, Instant};

const ROUNDS: usize = 21;

/// The number of tasks in a `gather` or a group.
const TASKS: u32 = 1_000;

/// The number of intervals, each of which ticks a hundred times.
const INTERVALS: u32 = 100;
const PERIOD: Duration = Duration::from_millis(1);

/// Does the work this many times, and returns the time for one.
type Side = fn(u32) -> f64;

struct Line {
    name: &'static str,
    times: u32,
    ours: Side,
    theirs: Side,
}

const LINES: &[Line] = &[
    Line {
        name: "gather of 1,000, each task; spawned and awaited in order",
        times: 100,
        ours: waterwheel_side::gather_all,
        theirs: tokio_side::join_all,
    },
    Line {
        name: "group of 1,000, each task; `JoinSet`",
        times: 100,
        ours: waterwheel_side::group,
        theirs: tokio_side::join_set,
    },
    Line {
        name: "group of 1,000, each task; `JoinSet` on a `LocalSet`",
        times: 100,
        ours: waterwheel_side::group,
        theirs: tokio_side::local_join_set,
    },
    Line {
        name: "group of 1,000 that each yield; `JoinSet`",
        times: 100,
        ours: waterwheel_side::yielding_group,
        theirs: tokio_side::yielding_join_set,
    },
    Line {
        name: "round trip to a thread; `spawn_blocking`",
        times: 10_000,
        ours: waterwheel_side::to_threads,
        theirs: tokio_side::spawn_blockings,
    },
    Line {
        name: "1,000 jobs for threads at once, each job; `spawn_blocking`",
        times: 10,
        ours: waterwheel_side::many_to_threads,
        theirs: tokio_side::many_spawn_blockings,
    },
    Line {
        name: "tick that is late",
        times: 100_000,
        ours: waterwheel_side::late_ticks,
        theirs: tokio_side::late_ticks,
    },
    Line {
        name: "tick of one in 100 intervals of 1 ms, CPU time",
        times: 100,
        ours: waterwheel_side::ticks,
        theirs: tokio_side::ticks,
    },
    Line {
        name: "child that runs `/bin/true`, from start to end",
        times: 100,
        ours: waterwheel_side::children,
        theirs: tokio_side::children,
    },
];

fn main() {
    // `cargo test` runs each one once, so that they keep working.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let words: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    println!("| | waterwheel | tokio | ratio |\n|---|--:|--:|--:|");
    for line in LINES.iter().filter(|line| words.iter().all(|word| line.name.contains(word.as_str()))) {
        let (rounds, times) = if is_bench { (ROUNDS, line.times) } else { (1, 1) };
        let measured: Vec<(f64, f64)> = (0..rounds).map(|_| ((line.ours)(times), (line.theirs)(times))).collect();
        let ours = median(measured.iter().map(|(ours, _)| *ours));
        let theirs = median(measured.iter().map(|(_, theirs)| *theirs));
        let ratio = median(measured.iter().map(|(ours, theirs)| ours / theirs));
        println!("| {} | {ours:.0} ns | {theirs:.0} ns | {ratio:.2} |", line.name);
    }
}

fn median(of: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = of.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The nanoseconds for each of `count`, which began at `start`.
fn each(start: Instant, count: u32) -> f64 {
    start.elapsed().as_nanos() as f64 / f64::from(count)
}

/// The CPU time of this thread in nanoseconds, up to its last wait.
fn own_cpu_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel keeps schedstat");
    text.split_whitespace().next().and_then(|first| first.parse().ok()).expect("it begins with the time")
}
