//! Twelve faults that programs have, and the line that each is found by: in a dump, in what debug mode reports, or in the
//! counters.

mod of_connections;
mod of_tasks;

use std::rc::Rc;

use waterwheel::testing::ManualClock;
use waterwheel::{Builder, Metrics, get_running_loop};

use crate::common::watchdog::watchdog;
use crate::told::debugged;

/// What a loop lets see of a program.
struct Seen {
    dump: String,
    told: Vec<String>,
    metrics: Metrics,
}

impl Seen {
    /// Whether a line of the dump says all of this.
    #[track_caller]
    fn in_dump(&self, words: &[&str]) {
        let says = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(self.dump.lines().any(says), "{words:?} is not in\n{}", self.dump);
    }

    #[track_caller]
    fn is_told(&self, words: &[&str]) {
        let says = |text: &String| words.iter().all(|word| text.contains(word));
        assert!(self.told.iter().any(says), "{words:?} is not in {:#?}", self.told);
    }
}

/// Runs a program with a fault in debug mode, and looks while what it gives back is still held.
fn seen<K>(set: impl FnOnce(Builder) -> Builder, program: impl AsyncFnOnce(Rc<ManualClock>) -> K) -> Seen {
    let _watchdog = watchdog();
    let (mut event_loop, clock, told) = debugged(set);
    event_loop.run(async {
        let _kept = program(clock).await;
        let event_loop = get_running_loop();
        Seen { dump: event_loop.dump_tasks().to_string(), told: told.take(), metrics: event_loop.metrics() }
    })
}

/// The line of a file with this comment, as it is told.
#[track_caller]
fn place_in(file: &str, text: &str, comment: &str) -> String {
    let ending = format!("// {comment}");
    let is_it = |line: &str| line.ends_with(&ending);
    let line = text.lines().position(is_it).expect("there is such a comment") + 1;
    format!("{file}:{line}:")
}
