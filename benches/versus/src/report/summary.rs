//! A summary of all scenarios over TCP, with one figure of each kind for every peer.

use std::fmt::Write;

use super::metric::{CPU, Metric, RATE};
use super::{Report, distinct, is_ours};
use crate::servers::{BASELINE, FLOOR};

const PART: &str = "net";
/// The scenario in which a newcomer's code makes the largest difference.
const LINES: &str = "lines c50, 16 deep";

impl Report {
    /// Writes the geometric means, and the worst scenario of each peer.
    pub(super) fn write_summary(&self, text: &mut String) {
        let of_part = self.series.iter().filter(|series| series.part == PART);
        let peers = distinct(of_part.map(|series| series.who.as_str()).filter(|who| *who != BASELINE));
        if peers.is_empty() {
            return;
        }
        write!(
            text,
            "\n## In short\n\nFor the scenarios over loopback TCP in which both peers took part: the geometric mean of the ratios, and the \
             worst ratio. Higher is better for messages per second, lower for the server's CPU time per message.\n\n\
             | | messages/s, x {BASELINE} | worst | CPU, x {BASELINE} | worst | CPU, x {FLOOR} | worst |\n\
             |---|--:|---|--:|---|--:|---|\n"
        )
        .expect("a string takes text");
        for who in peers {
            let shown = if is_ours(who) { format!("**{who}**") } else { who.to_owned() };
            let cells: String =
                [self.mean(who, BASELINE, RATE), self.mean(who, BASELINE, CPU), self.mean(who, FLOOR, CPU)].concat();
            writeln!(text, "| {shown} |{cells}").expect("a string takes text");
        }
        self.write_lines(text);
    }

    /// Two cells: the geometric mean of the ratios between two peers, and the worst of these ratios.
    fn mean(&self, who: &str, other: &str, metric: Metric) -> String {
        let of_them = self
            .series
            .iter()
            .filter(|series| series.part == PART && series.who == who && series.metric == metric && who != other);
        let ratios: Vec<(f64, &str)> =
            of_them.filter_map(|series| Some((self.ratio(series, other)?.median, series.scenario.as_str()))).collect();
        let worst = ratios.iter().copied().reduce(|worst, next| {
            let is_worse = if metric == RATE { next.0 < worst.0 } else { next.0 > worst.0 };
            if is_worse { next } else { worst }
        });
        let Some((worst, scenario)) = worst else { return " | |".to_owned() };
        let mean = (ratios.iter().map(|(ratio, _)| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
        format!(" {mean:.2} | {worst:.2}, {scenario} |")
    }

    /// Writes how much the plain loop over lines gains because its writes are gathered.
    fn write_lines(&self, text: &mut String) {
        let rate = |who: &str| self.series.iter().find(|series| series.metric == RATE && series.is(PART, LINES, who));
        let Some(own) = rate("waterwheel-newcomer") else { return };
        let cells: Vec<String> = ["tokio-newcomer", BASELINE, "asyncio", "uvloop"]
            .iter()
            .filter_map(|other| Some(format!("{} x {other}", self.ratio(own, other)?.text())))
            .collect();
        if !cells.is_empty() {
            writeln!(text, "\n`{LINES}`, messages/s of waterwheel-newcomer: {}.", cells.join(", "))
                .expect("a string takes text");
        }
    }
}
