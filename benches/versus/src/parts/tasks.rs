//! Tasks, wakes and timers: nanoseconds for each.

use std::time::Duration;

use super::{Effort, Part};
use crate::children::{MEASURED_CORE, Running, own};
use crate::report::Report;
use crate::report::metric::TIME;
use crate::tasks::BENCHES;

pub(super) const PART: Part = Part {
    name: "tasks",
    title: "Tasks and timers",
    explanation: "The same program on both runtimes, in its own process, in nanoseconds for each spawn, yield, wake \
                  round trip or timer. With a single task, tokio polls epoll after each step, so yield is measured \
                  with one task and with a hundred.",
    run,
};

fn run(effort: &Effort, report: &mut Report) {
    for bench in BENCHES {
        report.measure(PART.name, bench, effort.rounds, &["tokio", "waterwheel"], |runtime| {
            let mut child = Running::start(own(&["task", runtime, bench]), MEASURED_CORE)?;
            let line = child.line(Duration::from_secs(60))?;
            Ok(vec![(TIME, crate::number(&line))])
        });
    }
}
