//! What the parts cost, each alone: tasks and wakes, callbacks, timers, the buffer of a stream reader, a transport's
//! switches and marks, the simulation. Some seconds in all; a word picks the benches that have it in their name:
//!
//!     cargo bench --manifest-path benches/micro/Cargo.toml --bench parts -- yield

mod callbacks;
mod simulation;
mod streams;
mod tasks;
mod timers;
mod transports;
mod waits;

use std::time::Duration;

use divan::Divan;
use waterwheel::EventLoop;

/// How often each closure does what it measures: what a run of the loop costs by itself is nothing beside it.
const TIMES: usize = 1_000;

fn main() {
    Divan::default().max_time(Duration::from_millis(300)).config_with_args().main();
}

/// A loop that has run before, so that its memory is at hand.
fn event_loop() -> EventLoop {
    let mut event_loop = EventLoop::new().expect("a loop");
    event_loop.run(async {});
    event_loop
}
