//! COVERAGE.md lists what covers each of CPython's test cases: its scenarios and tests exist, and its counts are
//! right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::source_tree::crate_root;

/// The beginnings of the places that have columns of their own in the table of suites, in the order of the columns.
/// The column before them counts all other cases, which are covered.
const OWN_COLUMNS: [&str; 3] = ["datagrams: ", "later: ", "no: "];

/// A row of a suite's table: some cases, and what covers them.
struct Row<'a> {
    cases: usize,
    place: &'a str,
}

impl<'a> Row<'a> {
    /// The cells of a table row, unless it is a heading.
    fn of(line: &'a str) -> Option<Row<'a>> {
        let (cases, place) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        let is_heading = cases == "case" || cases.starts_with("---");
        (!is_heading).then(|| Row { cases: cases.split(", ").count(), place })
    }

    /// The column in the table of suites that counts this row.
    fn column(&self) -> usize {
        OWN_COLUMNS.iter().position(|beginning| self.place.starts_with(beginning)).map_or(0, |place| place + 1)
    }
}

/// The names in a row that do not exist. A file may be followed by a colon and the names of tests in it.
pub(crate) fn unknown(place: &str, scenarios: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut file: Option<String> = None;
    let mut parts = place.split('`');
    while let (Some(before), Some(name)) = (parts.next(), parts.next()) {
        if name.ends_with(".rs") {
            file = fs::read_to_string(crate_root().join(name)).ok();
            wrong.extend(file.is_none().then(|| format!("there is no file {name}")));
        } else if before == ": " || (before == ", " && file.is_some() && !name.contains('/')) {
            let is_there = file.as_deref().is_none_or(|text| text.contains(&format!("fn {name}(")));
            wrong.extend((!is_there).then(|| format!("there is no test {name}")));
        } else {
            file = None;
            let is_there = match name.strip_suffix('…') {
                Some(beginning) => scenarios.iter().any(|id| id.starts_with(beginning)),
                None => !name.contains('/') || scenarios.contains(name),
            };
            wrong.extend((!is_there).then(|| format!("there is no scenario {name}")));
        }
    }
    wrong
}

/// The ids of all scenarios.
fn scenarios() -> BTreeSet<String> {
    let folder = crate_root().join("tests/conformance/scenarios");
    let files = fs::read_dir(folder).expect("there are scenarios").map(|entry| entry.expect("it can be read").path());
    let texts = files.map(|path| fs::read_to_string(path).expect("it can be read"));
    let ids = |text: String| {
        let ids = text.lines().filter_map(|line| line.trim().strip_prefix("\"id\": \"")?.strip_suffix("\","));
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    texts.flat_map(ids).collect()
}

#[test]
fn what_covers_a_case_exists() {
    let text = fs::read_to_string(crate_root().join("tests/conformance/COVERAGE.md")).expect("it can be read");
    let scenarios = scenarios();
    let rows: Vec<_> = text.lines().filter_map(Row::of).collect();
    assert!(rows.len() > 150 && scenarios.len() > 400, "{} rows, {} scenarios", rows.len(), scenarios.len());
    let wrong: Vec<_> = rows.iter().flat_map(|row| unknown(row.place, &scenarios)).collect();
    assert!(wrong.is_empty(), "COVERAGE.md is stale:\n{}", wrong.join("\n"));
}

#[test]
fn the_cases_of_each_suite_are_counted_right() {
    let text = fs::read_to_string(crate_root().join("tests/conformance/COVERAGE.md")).expect("it can be read");
    let (table, suites) = text.split_once("\n## ").expect("suites follow the table");
    let mut counted = BTreeMap::new();
    for suite in suites.split("\n## ") {
        let (name, rows) = suite.split_once('\n').expect("a suite has rows");
        let mut counts = [0; OWN_COLUMNS.len() + 1];
        rows.lines().filter_map(Row::of).for_each(|row| counts[row.column()] += row.cases);
        counted.insert(name.to_owned(), counts.map(|count| count.to_string()).join(" | "));
    }
    let said: BTreeMap<_, _> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| test_")?.strip_suffix(" |")?.split_once(" | "))
        .map(|(name, counts)| (format!("test_{name}"), counts.to_owned()))
        .collect();
    assert_eq!(said, counted);
}

#[test]
fn a_stale_name_is_found() {
    let scenarios = BTreeSet::from(["loop/run".to_owned()]);
    let here = "`tests/laws/coverage.rs`";
    for good in [
        "`loop/run`, `loop/r…`; a `usize`".to_owned(),
        format!("{here}: `a_stale_name_is_found`, `what_covers_a_case_exists` and `loop/run`"),
        here.to_owned(),
    ] {
        assert_eq!(unknown(&good, &scenarios), Vec::<String>::new(), "{good}");
    }
    for bad in [
        "`loop/walk`".to_owned(),
        "`loop/w…`".to_owned(),
        "`tests/laws/nowhere.rs`: `what`".to_owned(),
        format!("`loop/run`, {here}: `it_was_renamed`"),
        format!("{here}: `a_stale_name_is_found`, `it_was_renamed`"),
    ] {
        assert_eq!(unknown(&bad, &scenarios).len(), 1, "{bad}");
    }
}
