//! The figures as JSON, with every round. A ratio is given as lower quartile, median and upper quartile; a turn is the
//! place of a measurement in the order of all.

use std::fmt::Write;

use super::Report;
use super::ratio::Ratio;
use super::setting::Setting;
use crate::servers::{BASELINE, FLOOR};

impl Report {
    pub(super) fn json(&self, command: &str) -> String {
        let setting = Setting::read();
        let mut text = String::from("{\n");
        let mut fact = |name: &str, value: &str| {
            writeln!(text, "  {}: {},", quoted(name), quoted(value)).expect("a string takes text");
        };
        fact("command", command);
        fact("date", &setting.date);
        fact("machine", &setting.machine);
        setting.versions.iter().for_each(|(name, version)| fact(name, version));
        let figures: Vec<String> = self.series.iter().map(|series| self.figure(series)).collect();
        let absences: Vec<String> = self
            .absences
            .iter()
            .map(|absence| {
                let [part, scenario, who, why] =
                    [absence.part, &absence.scenario, &absence.who, &absence.why].map(quoted);
                format!(r#"{{"part": {part}, "scenario": {scenario}, "who": {who}, "why": {why}}}"#)
            })
            .collect();
        write!(text, "  \"figures\": {},\n  \"not measured\": {}\n}}\n", list(&figures), list(&absences))
            .expect("a string takes text");
        text
    }

    fn figure(&self, series: &super::Series) -> String {
        let [part, scenario, metric, who] =
            [series.part, &series.scenario, series.metric.name, &series.who].map(quoted);
        let rounds: Vec<String> = series.rounds.iter().map(|figure| number(figure.value)).collect();
        let turns: Vec<String> = series.rounds.iter().map(|figure| figure.turn.to_string()).collect();
        let ratio = |who| match self.ratio(series, who) {
            Some(Ratio { median, quartiles: (lower, upper) }) => {
                format!("[{}, {}, {}]", number(lower), number(median), number(upper))
            }
            None => "null".to_owned(),
        };
        format!(
            r#"{{"part": {part}, "scenario": {scenario}, "metric": {metric}, "who": {who}, "median": {}, "x {BASELINE}": {}, "x {FLOOR}": {}, "rounds": [{}], "turns": [{}]}}"#,
            number(series.median()),
            ratio(BASELINE),
            ratio(FLOOR),
            rounds.join(", "),
            turns.join(", ")
        )
    }
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "[]".to_owned() } else { format!("[\n    {}\n  ]", items.join(",\n    ")) }
}

fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "null".to_owned() }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => quoted.push(' '),
            character => quoted.push(character),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted() {
        assert_eq!(quoted("a \"b\" \\ \n c"), r#""a \"b\" \\   c""#);
    }
}
