//! The figures: collected round by round, compared within a round, and printed in several formats.

mod json;
mod losses;
mod markdown;
pub(crate) mod metric;
mod plots;
mod ratio;
mod setting;
mod summary;

use std::io;
use std::path::Path;

use crate::children::Outcome;
use crate::servers::{BASELINE, EVERY_ROUND};
use metric::{Better, Metric};
use ratio::{Ratio, quantile};

/// All results of a run.
#[derive(Default)]
pub(crate) struct Report {
    series: Vec<Series>,
    absences: Vec<Absence>,
    /// Which parts were run, and for how many seconds.
    parts: Vec<(&'static str, u64)>,
    /// How many measurements were repeated, and how many count although another program disturbed them.
    repeated: usize,
    disturbed: usize,
    /// The number of measurements so far, which gives each measurement its place in the order.
    turns: usize,
}

/// One figure of one candidate, with a value for each round that the candidate took part in.
struct Series {
    part: &'static str,
    scenario: String,
    metric: Metric,
    who: String,
    rounds: Vec<Figure>,
}

#[derive(Debug, Clone, Copy)]
struct Figure {
    /// Its place in the order of all measurements.
    turn: usize,
    value: f64,
}

/// Something that was not measured, and the reason.
struct Absence {
    part: &'static str,
    scenario: String,
    who: String,
    why: String,
}

/// The figures of one measurement.
pub(crate) type Figures = Vec<(Metric, f64)>;

impl Report {
    /// Measures the candidates one after the other, in an order that rotates, so that no candidate always follows the
    /// same one. A candidate that fails is left out from then on, and the report says so.
    pub(crate) fn measure(
        &mut self,
        part: &'static str,
        scenario: &str,
        rounds: usize,
        candidates: &[&str],
        mut measure: impl FnMut(&str) -> Outcome<Figures>,
    ) {
        let mut left = candidates.to_vec();
        let known = self.series.len();
        for round in 0..rounds {
            let mut order: Vec<&str> = left.iter().copied().filter(|who| takes_part(who, round)).collect();
            let first = round % order.len().max(1);
            order.rotate_left(first);
            for who in order {
                self.turns += 1;
                match measure(who) {
                    Ok(figures) => {
                        figures.into_iter().for_each(|(metric, value)| self.add(part, scenario, metric, who, value));
                    }
                    Err(why) => {
                        let mut new = self.series.split_off(known);
                        new.retain(|series| series.who != who);
                        self.series.append(&mut new);
                        self.absent(part, scenario, who, why);
                        left.retain(|other| *other != who);
                    }
                }
            }
        }
        // Tables are in the order of the candidates, whichever one was measured first.
        let place = |series: &Series| candidates.iter().position(|who| *who == series.who);
        self.series[known..].sort_by_key(place);
        self.print_progress(part, scenario);
    }

    fn add(&mut self, part: &'static str, scenario: &str, metric: Metric, who: &str, value: f64) {
        let figure = Figure { turn: self.turns, value };
        let known = self.series.iter_mut().find(|series| series.is(part, scenario, who) && series.metric == metric);
        match known {
            Some(series) => series.rounds.push(figure),
            None => {
                let (scenario, who) = (scenario.to_owned(), who.to_owned());
                self.series.push(Series { part, scenario, metric, who, rounds: vec![figure] });
            }
        }
    }

    /// Records that something was not measured, and prints it at once.
    pub(crate) fn absent(&mut self, part: &'static str, scenario: &str, who: &str, why: String) {
        eprintln!("NOT MEASURED: {who}, {scenario} ({part}): {why}");
        self.absences.push(Absence { part, scenario: scenario.to_owned(), who: who.to_owned(), why });
    }

    /// Records that a part was run.
    pub(crate) fn finished(&mut self, part: &'static str, seconds: u64, repeated: usize, disturbed: usize) {
        println!("-- {part}: {seconds} s, {repeated} measured again, {disturbed} disturbed all the same\n");
        self.parts.push((part, seconds));
        self.repeated += repeated;
        self.disturbed += disturbed;
    }

    fn print_progress(&self, part: &str, scenario: &str) {
        println!("{part}: {scenario}");
        let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
        for series in self.series.iter().filter(|series| series.part == part && series.scenario == scenario) {
            let compared = self.ratio(series, BASELINE).filter(|_| series.metric.better != Better::Neither);
            let ratio = compared.map_or(String::new(), |ratio| format!(" ({} x)", ratio.text()));
            let cell = format!("{} {}{ratio}", series.metric.text(series.median()), series.metric.name);
            match rows.iter_mut().find(|(who, _)| *who == series.who) {
                Some((_, cells)) => cells.push(cell),
                None => rows.push((&series.who, vec![cell])),
            }
        }
        for (who, cells) in rows {
            println!("  {who:<20} {}", cells.join(", "));
        }
    }

    /// The same figure of another candidate.
    fn other<'a>(&'a self, series: &Series, who: &str) -> Option<&'a Series> {
        let same = |other: &&Series| other.is(series.part, &series.scenario, who) && other.metric == series.metric;
        self.series.iter().find(same)
    }

    /// How a figure compares with that of `who`.
    fn ratio(&self, series: &Series, who: &str) -> Option<Ratio> {
        Some(Ratio::new(&series.rounds, &self.other(series, who)?.rounds))
    }

    /// Writes everything into a directory: a Markdown file, plots and JSON.
    pub(crate) fn write(&self, directory: &Path, command: &str) -> io::Result<()> {
        let results = directory.join("results");
        std::fs::create_dir_all(&results)?;
        std::fs::write(results.join("versus.json"), self.json(command))?;
        let plots = plots::draw(self, &results).map_err(|error| io::Error::other(error.to_string()))?;
        std::fs::write(directory.join("RESULTS.md"), self.markdown(command, &plots))
    }
}

/// Whether a peer takes part in a round. Peers that are neither ours nor those that we are mainly compared with only
/// show the order of magnitude, and take part in every third round. So the others have three times as many
/// measurements, closer together.
fn takes_part(who: &str, round: usize) -> bool {
    EVERY_ROUND.contains(&who) || round % 3 == 0
}

impl Series {
    fn is(&self, part: &str, scenario: &str, who: &str) -> bool {
        self.who == who && self.scenario == scenario && self.part == part
    }

    fn median(&self) -> f64 {
        quantile(self.rounds.iter().map(|figure| figure.value).collect(), 0.5)
    }
}

fn is_ours(who: &str) -> bool {
    who.starts_with("waterwheel")
}

/// Each value once, in the order of first appearance.
fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report with one scenario, and one figure for each round of each candidate.
    fn report(metric: Metric, figures: &[(&str, &[f64])]) -> Report {
        let mut report = Report::default();
        let rounds = figures[0].1.len();
        let candidates: Vec<&str> = figures.iter().map(|(who, _)| *who).collect();
        let mut at = vec![0; figures.len()];
        report.measure("net", "a scenario", rounds, &candidates, |who| {
            let place = candidates.iter().position(|other| *other == who).unwrap();
            at[place] += 1;
            match figures[place].1[at[place] - 1] {
                value if value.is_nan() => Err("it broke".to_owned()),
                value => Ok(vec![(metric, value)]),
            }
        });
        report
    }

    #[test]
    fn the_order_goes_round_and_the_tables_keep_theirs() {
        let mut report = Report::default();
        let mut order = String::new();
        report.measure("net", "a scenario", 3, &["tokio", "waterwheel", "epoll", "smol"], |who| {
            order.push_str(who);
            order.push(' ');
            Ok(vec![(metric::CPU, 1.0)])
        });
        let expected = "tokio waterwheel epoll smol waterwheel epoll tokio epoll tokio waterwheel ";
        assert_eq!(order, expected, "who takes part in every third round was there in the first");
        let rows: Vec<&str> = report.series.iter().map(|series| series.who.as_str()).collect();
        assert_eq!(rows, ["tokio", "waterwheel", "epoll", "smol"]);
    }

    #[test]
    fn who_fails_is_left_out_and_named() {
        let report = report(metric::CPU, &[("tokio", &[1.0, 1.0]), ("waterwheel", &[1.0, f64::NAN])]);
        assert_eq!(report.series.len(), 1);
        assert_eq!(report.absences[0].why, "it broke");
        assert!(report.markdown("versus", &[]).contains("it broke"));
        assert!(report.json("versus").contains("it broke"));
    }

    #[test]
    fn a_loss_is_what_is_worse_by_more_than_the_tolerance() {
        let behind = |metric, own| {
            let report = report(metric, &[("tokio", &[100.0]), ("waterwheel", &[own]), ("epoll", &[100.0])]);
            report.losses().len()
        };
        assert_eq!(behind(metric::CPU, 105.0), 0);
        assert_eq!(behind(metric::CPU, 125.0), 1);
        assert_eq!(behind(metric::CPU, 50.0), 0);
        assert_eq!(behind(metric::RATE, 50.0), 1);
        assert_eq!(behind(metric::RATE, 150.0), 0);
    }

    #[test]
    fn a_loss_within_its_own_scatter_is_a_tie() {
        let of = |own: &[f64]| {
            let report = report(metric::CPU, &[("tokio", &[100.0; 5]), ("waterwheel", own)]);
            (report.losses().len(), report.ties())
        };
        assert_eq!(of(&[120.0, 130.0, 125.0, 125.0, 90.0]), (1, 0));
        assert_eq!(of(&[120.0, 190.0, 125.0, 80.0, 90.0]), (0, 1));
        assert_eq!(of(&[100.0, 101.0, 99.0, 100.0, 100.0]), (0, 0));
    }

    #[test]
    fn who_needs_none_of_something_is_ahead_of_who_needs_any() {
        let report = report(metric::ALLOCATIONS, &[("tokio", &[0.0]), ("waterwheel", &[2.0]), ("epoll", &[0.0])]);
        assert_eq!(report.losses().len(), 1);
        let epoll = report.series.iter().find(|series| series.who == "epoll").unwrap();
        assert_eq!(report.ratio(epoll, "tokio").unwrap().median, 1.0);
    }
}
