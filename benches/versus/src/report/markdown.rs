//! The figures as a Markdown document.

use std::fmt::Write;

use super::losses::REASONS;
use super::metric::{BUSY, Better, LIMITING, Metric, RATE, Shown};
use super::ratio::Ratio;
use super::setting::Setting;
use super::{Report, Series, distinct, is_ours};
use crate::parts::{PARTS, Part};
use crate::servers::{BASELINE, FLOOR, PEERS};

/// More columns would not fit on a page.
const COLUMNS: usize = 7;

impl Report {
    /// `plots` are the files to show, with their titles.
    pub(super) fn markdown(&self, command: &str, plots: &[(String, String)]) -> String {
        let mut text = String::from(
            "# What was measured\n\nThis file is written by `benches/versus`; see its README for how it measures.\n",
        );
        self.write_setting(&mut text, command);
        for (file, title) in plots {
            writeln!(text, "\n![{title}](results/{file})").expect(INFALLIBLE);
        }
        self.write_summary(&mut text);
        self.write_losses(&mut text);
        for part in PARTS {
            self.write_part(&mut text, part);
        }
        self.write_absences(&mut text);
        text.push_str("\n## The peers\n\n| name | what it is |\n|---|---|\n");
        for peer in PEERS {
            writeln!(text, "| {} | {} |", peer.name, peer.what).expect(INFALLIBLE);
        }
        text
    }

    fn write_setting(&self, text: &mut String, command: &str) {
        let Setting { date, machine, versions } = Setting::read();
        let versions: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let parts: Vec<String> = self.parts.iter().map(|(part, seconds)| format!("{part} {seconds} s")).collect();
        write!(
            text,
            "\n- **Date**: {date}\n- **Machine**: {machine}\n- **Versions**: {}\n- **Command**: `{command}`\n- **Took**: {}\n\
             - **Disturbed**: {} measurements were repeated, since another program used a core for more than a twentieth \
             of the time; {} of those that count are still disturbed\n",
            versions.join(", "),
            parts.join(", "),
            self.repeated,
            self.disturbed
        )
        .expect(INFALLIBLE);
    }

    fn write_losses(&self, text: &mut String) {
        let losses = self.losses();
        let behind = losses.iter().filter(|loss| loss.is_behind_baseline()).count();
        let all = self.series.iter().filter(|series| is_ours(&series.who)).count();
        write!(
            text,
            "\n## Where we lose\n\nOf {all} figures of waterwheel, {behind} are behind {BASELINE}'s by more than the tolerance, and {} behind \
             {FLOOR}'s or {BASELINE}'s. The tolerance is 10 % for times and memory, 25 % for the 99th percentile, and 3 % for counts. {} more \
             are ties: behind in the median, but not in three of four rounds. The newcomer's waterwheel is also compared with \
             the expert's {BASELINE}.\n\n{REASONS}",
            losses.len(),
            self.ties()
        )
        .expect(INFALLIBLE);
        if losses.is_empty() {
            return;
        }
        writeln!(text, "\n| | scenario | figure | who | x {BASELINE} | x {FLOOR} |\n|---|---|---|---|--:|--:|")
            .expect(INFALLIBLE);
        for loss in losses {
            let series = loss.series;
            let cell = |ratio: Option<Ratio>| match ratio {
                Some(ratio) if ratio.is_loss(&series.metric) => format!("**{}**", ratio.text()),
                Some(ratio) => ratio.text(),
                None => String::new(),
            };
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                series.part,
                series.scenario,
                series.metric.name,
                series.who,
                cell(loss.to_baseline),
                cell(loss.to_floor)
            )
            .expect(INFALLIBLE);
        }
    }

    fn write_part(&self, text: &mut String, part: &Part) {
        let metrics = self.metrics(part.name);
        if metrics.is_empty() {
            return;
        }
        writeln!(text, "\n## {}\n\n{}", part.title, part.explanation).expect(INFALLIBLE);
        for metric in metrics {
            let compared =
                if metric.shown == Shown::Ratio { format!(", as a multiple of {BASELINE}'s") } else { String::new() };
            let better = match metric.better {
                Better::Lower => " (less is better)",
                Better::Higher => " (more is better)",
                Better::Neither => "",
            };
            writeln!(text, "\n**{}**{compared}{better}", metric.name).expect(INFALLIBLE);
            for scenarios in self.scenarios(part.name, metric).chunks(COLUMNS) {
                self.write_table(text, part.name, metric, scenarios);
            }
        }
    }

    fn metrics(&self, part: &str) -> Vec<Metric> {
        let mut metrics = Vec::new();
        for series in self.series.iter().filter(|series| series.part == part) {
            if !metrics.contains(&series.metric) {
                metrics.push(series.metric);
            }
        }
        metrics
    }

    fn scenarios(&self, part: &str, metric: Metric) -> Vec<&str> {
        let of_it = self.series.iter().filter(|series| series.part == part && series.metric == metric);
        distinct(of_it.map(|series| series.scenario.as_str()))
    }

    fn write_table(&self, text: &mut String, part: &str, metric: Metric, scenarios: &[&str]) {
        let of_it = || self.series.iter().filter(|series| series.part == part && series.metric == metric);
        let rows = distinct(
            of_it().filter(|series| scenarios.contains(&series.scenario.as_str())).map(|series| series.who.as_str()),
        );
        writeln!(text, "\n| | {} |\n|---|{}", scenarios.join(" | "), "--:|".repeat(scenarios.len())).expect(INFALLIBLE);
        let find = |who: &str, scenario: &str| of_it().find(|series| series.is(part, scenario, who));
        for who in &rows {
            write!(text, "| {} |", emphasised(who)).expect(INFALLIBLE);
            for scenario in scenarios {
                let cell = find(who, scenario).map(|series| match self.ratio(series, BASELINE) {
                    Some(ratio) if metric.shown == Shown::Ratio && self.is_limiting(series) => ratio.text(),
                    Some(ratio) if metric.shown == Shown::Ratio => format!("({})", ratio.text()),
                    _ => metric.text(series.median()),
                });
                write!(text, " {} |", cell.unwrap_or_default()).expect(INFALLIBLE);
            }
            text.push('\n');
        }
        if metric.shown == Shown::Ratio && rows.contains(&BASELINE) {
            write!(text, "| *{BASELINE}, {}* |", metric.name).expect(INFALLIBLE);
            for scenario in scenarios {
                let cell = find(BASELINE, scenario).map(|series| metric.text(series.median()));
                write!(text, " *{}* |", cell.unwrap_or_default()).expect(INFALLIBLE);
            }
            text.push('\n');
        }
    }

    /// Whether the server was what limited the messages per second, as far as is known.
    fn is_limiting(&self, series: &Series) -> bool {
        let busy =
            self.series.iter().find(|busy| busy.metric == BUSY && busy.is(series.part, &series.scenario, &series.who));
        series.metric != RATE || busy.is_none_or(|busy| busy.median() >= LIMITING)
    }

    fn write_absences(&self, text: &mut String) {
        text.push_str("\n## Not measured\n\n");
        if self.absences.is_empty() {
            text.push_str("No requested measurement is missing.\n");
            return;
        }
        text.push_str("| | scenario | who | why |\n|---|---|---|---|\n");
        for absence in &self.absences {
            let why = absence.why.replace('|', "\\|").replace('\n', " ");
            writeln!(text, "| {} | {} | {} | {why} |", absence.part, absence.scenario, absence.who).expect(INFALLIBLE);
        }
    }
}

const INFALLIBLE: &str = "a string takes text";

fn emphasised(who: &str) -> String {
    if is_ours(who) { format!("**{who}**") } else { who.to_owned() }
}
