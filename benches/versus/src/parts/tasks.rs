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
    explanation: "The same program on both runtimes, in a process of its own, in nanoseconds for each spawn, yield, \
                  wake round trip or timer. tokio asks epoll after each task when it has only one, so that yield is \
                  measured with one task and with a hundred.",
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
