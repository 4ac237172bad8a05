//! Tasks, wakes and timers: nanoseconds for each.

use crate::Effort;
use crate::children::{MEASURED_CORE, Running, own};
use crate::report::{Cell, Report, median};
use crate::tasks::BENCHES;

pub(crate) fn run(effort: &Effort, report: &mut Report) {
    report.begin("Tasks and timers", &["ns", "x first"]);
    for bench in BENCHES {
        let runtimes = ["tokio", "waterwheel"];
        let mut figures = [const { (Vec::new(), Vec::new()) }; 2];
        for _ in 0..effort.rounds {
            let mut first = None;
            for (runtime, figures) in runtimes.iter().zip(&mut figures) {
                let mut child = Running::start(own(MEASURED_CORE, &["task", runtime, bench]));
                let time: f64 = crate::number(&child.line());
                child.finish();
                figures.0.push(time);
                figures.1.push(time / *first.get_or_insert(time));
            }
        }
        for (runtime, (times, ratios)) in runtimes.iter().zip(figures) {
            report.row(bench, runtime, &[Cell::Tenth(median(times)), Cell::Ratio(median(ratios))]);
        }
    }
}
