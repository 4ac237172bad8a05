//! The costs of single parts: tasks and wakes, callbacks, timers, the buffer of a stream reader, a transport's pauses
//! and water marks, the simulation. All together take some seconds; a word selects the benches that contain it in
//! their names:
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

/// How often each closure repeats the measured operation, so that the cost of a run of the loop is negligible.
const TIMES: usize = 1_000;

fn main() {
    Divan::default().max_time(Duration::from_millis(300)).config_with_args().main();
}

/// A loop that has run before, so that its memory has been allocated.
fn event_loop() -> EventLoop {
    let mut event_loop = EventLoop::new().expect("a loop");
    event_loop.run(async {});
    event_loop
}
