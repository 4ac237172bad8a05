//! Conformance with asyncio: scenarios that asyncio has answered run here too, and must give the same trace, but for
//! the differences that `differences.json` lists with their reasons. README.md in this folder says how.

mod loops;
mod operations;
mod peer;
mod recorder;
mod scenario;
mod trace;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

use scenario::{Scenario, load_json};

/// Longer than any scenario takes, also on a busy machine.
const LONGEST_RUN: Duration = Duration::from_secs(30);

/// What waterwheel answers instead, by the scenario's id.
type Differences = BTreeMap<String, Vec<Value>>;

fn differences(folder: &Path) -> Differences {
    let path = folder.join("differences.json");
    if !path.exists() {
        return Differences::new();
    }
    let mut all = Differences::new();
    for group in load_json(&path).as_array().expect("differences.json is an array") {
        assert!(group["reason"].is_string(), "a difference has its reason: {group}");
        for (id, trace) in group["scenarios"].as_object().expect("a difference has its scenarios") {
            let trace = trace.as_array().expect("a trace is an array").clone();
            assert!(all.insert(id.clone(), trace).is_none(), "{id} is listed twice");
        }
    }
    all
}

fn run(scenario: &Scenario) -> Vec<Value> {
    match scenario.kind.as_str() {
        "loop" => loops::run(scenario),
        _ => world::run(scenario),
    }
}

/// Runs all on one thread, and fails if one takes too long, or ends in a panic.
fn run_all(scenarios: &[Scenario]) -> BTreeMap<String, Vec<Value>> {
    let (sender, receiver) = channel();
    let ids: Vec<_> = scenarios.iter().map(|scenario| scenario.id.clone()).collect();
    let scenarios = scenarios.to_vec();
    std::thread::spawn(move || {
        for scenario in &scenarios {
            let _ = sender.send(run(scenario));
        }
    });
    let mut answers = BTreeMap::new();
    for id in ids {
        match receiver.recv_timeout(LONGEST_RUN) {
            Ok(answer) => assert!(answers.insert(id.clone(), answer).is_none(), "two scenarios are called {id}"),
            Err(RecvTimeoutError::Timeout) => panic!("{id} hangs"),
            Err(RecvTimeoutError::Disconnected) => panic!("{id} panics"),
        }
    }
    answers
}

/// Compares a folder's scenarios with what asyncio answered. Returns how many there are.
fn compare(scenarios: &Path, differences: &Differences) -> usize {
    let scenarios = Scenario::load(scenarios);
    let answers = run_all(&scenarios);
    let mut failures = String::new();
    let mut unused: BTreeSet<_> = differences.keys().collect();
    for scenario in &scenarios {
        let (id, recorded) = (&scenario.id, scenario.recorded());
        let expected = differences.get(id).map_or(recorded, |trace| trace);
        unused.remove(id);
        let answer = &answers[id];
        if answer != expected {
            let (wanted, got) = (Value::from(expected), Value::from(answer.as_slice()));
            writeln!(failures, "{id}\n  expected:   {wanted}\n  waterwheel: {got}").unwrap();
        } else if answer == recorded && differences.contains_key(id) {
            writeln!(failures, "{id} is listed as a difference, but is none").unwrap();
        }
    }
    for id in unused {
        writeln!(failures, "the difference {id} is of no scenario").unwrap();
    }
    assert!(failures.is_empty(), "\n{failures}");
    scenarios.len()
}

#[test]
fn waterwheel_gives_the_traces_that_asyncio_gave() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let count = compare(&here.join("scenarios"), &differences(&here));
    assert!(count >= 460, "only {count} scenarios were found");
}

/// `WATERWHEEL_SCENARIOS` names a folder of further scenarios. It may have a `differences.json` of its own.
#[test]
fn further_scenarios_give_the_traces_that_asyncio_gave() {
    match std::env::var_os("WATERWHEEL_SCENARIOS").map(PathBuf::from) {
        Some(folder) => println!("{} further scenarios", compare(&folder, &differences(&folder))),
        None => println!("WATERWHEEL_SCENARIOS names no folder: there are no further scenarios"),
    }
}
