//! Twelve typical faults of programs, and the line that reveals each: in a dump, in a report of debug mode, or in the
//! metrics.

mod of_connections;
mod of_tasks;

use std::rc::Rc;

use waterwheel::testing::ManualClock;
use waterwheel::{Builder, Metrics, get_running_loop};

use crate::common::watchdog::watchdog;
use crate::told::debugged;

/// What a loop shows of a program.
struct Seen {
    dump: String,
    told: Vec<String>,
    metrics: Metrics,
}

impl Seen {
    /// Checks that one line of the dump contains all of these words.
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

/// Runs a program with a fault in debug mode, and collects what the loop shows while the program's result is still
/// alive.
fn seen<K>(set: impl FnOnce(Builder) -> Builder, program: impl AsyncFnOnce(Rc<ManualClock>) -> K) -> Seen {
    let _watchdog = watchdog();
    let (mut event_loop, clock, told) = debugged(set);
    event_loop.run(async {
        let _kept = program(clock).await;
        let event_loop = get_running_loop();
        Seen { dump: event_loop.dump_tasks().to_string(), told: told.take(), metrics: event_loop.metrics() }
    })
}

/// The place, as reports show it, of the line of a file that ends with this comment.
#[track_caller]
fn place_in(file: &str, text: &str, comment: &str) -> String {
    let ending = format!("// {comment}");
    let is_it = |line: &str| line.ends_with(&ending);
    let line = text.lines().position(is_it).expect("there is such a comment") + 1;
    format!("{file}:{line}:")
}
