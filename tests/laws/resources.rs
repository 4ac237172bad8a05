//! The chapter on resources names existing tests and constants, and every kind of peer in its table.

use std::collections::BTreeSet;
use std::fs;

use crate::coverage::unknown;
use crate::source_tree::{crate_root, sources};

/// The chapter as its readers see it.
fn chapter() -> String {
    let text = fs::read_to_string(crate_root().join("src/resources.rs")).expect("it can be read");
    let lines = text.lines().map(|line| line.strip_prefix("//!").expect("it has no items").trim_start());
    lines.collect::<Vec<_>>().join("\n")
}

/// The sections that make promises: their titles and texts.
fn sections(chapter: &str) -> Vec<(&str, &str)> {
    let sections = chapter.split("\n# ").skip(1).filter_map(|section| section.split_once('\n'));
    sections.filter(|(title, _)| *title != "What nothing bounds").collect()
}

/// The tests that a section names on one line.
fn tests_of(section: &str) -> Option<String> {
    let (_, tests) = section.split_once("\nTests: ")?;
    Some(tests.replace('\n', " "))
}

/// What is wrong with the tests of a section.
fn faults(title: &str, section: &str) -> Vec<String> {
    let Some(tests) = tests_of(section).filter(|tests| tests.contains(".rs`: `")) else {
        return vec![format!("{title}: no test holds it")];
    };
    // Every name is that of a test, so a name that would be a scenario elsewhere is a fault here.
    let nothing = BTreeSet::new();
    let wrong = unknown(&tests, &nothing).into_iter();
    let not_tests = tests.split('`').skip(1).step_by(2).filter(|name| !name.ends_with(".rs") && name.contains('/'));
    wrong
        .chain(not_tests.map(|name| format!("there is no test {name}")))
        .map(|fault| format!("{title}: {fault}"))
        .collect()
}

#[test]
fn every_promise_about_resources_is_held_by_tests_that_exist() {
    let chapter = chapter();
    let sections = sections(&chapter);
    assert!(sections.len() >= 18, "{} sections", sections.len());
    let wrong: Vec<_> = sections.iter().flat_map(|(title, section)| faults(title, section)).collect();
    assert!(wrong.is_empty(), "src/resources.rs is stale:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_of_resources_has_every_section() {
    let chapter = chapter();
    let rows: Vec<_> = chapter.lines().filter_map(|line| line.strip_prefix("| [")?.split_once(']')).collect();
    let titles: Vec<_> = sections(&chapter).iter().map(|(title, _)| title.to_lowercase()).collect();
    assert_eq!(rows.iter().map(|(who, _)| who.to_lowercase()).collect::<Vec<_>>(), titles);
}

#[test]
fn the_constants_that_bound_resources_exist() {
    let chapter = chapter();
    let is_constant = |name: &&str| name.contains('_') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let named: BTreeSet<_> = chapter.split('`').skip(1).step_by(2).filter(is_constant).collect();
    assert!(named.len() > 10, "{named:?}");
    let sources = sources();
    let is_there = |name: &&str| sources.iter().any(|file| file.code().contains(&format!("const {name}: ")));
    let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_promise_without_a_test_is_found() {
    let here = "`tests/laws/resources.rs`";
    assert_eq!(
        faults("good", &format!("text\nTests: {here}: `a_promise_without_a_test_is_found`.")),
        Vec::<String>::new()
    );
    for bad in ["text".to_owned(), format!("text\nTests: {here}."), format!("text\nTests: {here}: `it_was_renamed`.")] {
        assert_eq!(faults("bad", &bad).len(), 1, "{bad}");
    }
}
