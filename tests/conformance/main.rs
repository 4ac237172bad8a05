//! Conformance with asyncio: scenarios whose traces were recorded from asyncio run here too, and must give the same
//! traces, except for the differences that `differences.json` lists with their reasons. Scenarios about a connection
//! over TCP also run over TLS and on a network in memory. README.md in this folder explains how.

#[path = "../common"]
mod common {
    #[cfg(feature = "tls")]
    pub(crate) mod certificates;
    pub(crate) mod memory;
}
mod loops;
mod operations;
mod peer;
mod recorder;
mod scenario;
mod session;
mod tasks;
mod trace;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::{Value, json};

use scenario::{Scenario, load_json};

/// Longer than any scenario takes, even on a busy machine.
const LONGEST_RUN: Duration = Duration::from_secs(30);

/// The traces of waterwheel that differ from asyncio's, by the scenario's id.
type Differences = BTreeMap<String, Vec<Value>>;

/// Reads the differences in a file, if it exists. Those listed under `as_asyncio` are what asyncio does over TLS.
fn differences(path: &Path, scenarios: &[Scenario]) -> Differences {
    let mut all = Differences::new();
    let groups = if path.exists() { load_json(path) } else { json!([]) };
    for group in groups.as_array().expect("differences are an array") {
        assert!(group["reason"].is_string(), "a difference has its reason: {group}");
        for (id, trace) in group["scenarios"].as_object().into_iter().flatten() {
            let trace = trace.as_array().expect("a trace is an array").clone();
            assert!(all.insert(id.clone(), trace).is_none(), "{id} is listed twice");
        }
        for id in group["as_asyncio"].as_array().into_iter().flatten() {
            let scenario = scenarios.iter().find(|scenario| *id == scenario.id.as_str());
            let scenario = scenario.unwrap_or_else(|| panic!("there is no scenario {id}"));
            let trace = scenario.recorded_over_tls().to_vec();
            assert!(all.insert(scenario.id.clone(), trace).is_none(), "{id} is listed twice");
        }
    }
    all
}

fn run(scenario: &Scenario) -> Vec<Value> {
    match scenario.kind.as_str() {
        "loop" | "tasks" => loops::run(scenario),
        _ => world::run(scenario),
    }
}

/// Runs all scenarios on one thread, and fails if one takes too long or panics.
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

/// Runs scenarios and compares: each must give its `usual` trace, except for the differences. Returns how many there
/// are.
fn compare<'a>(
    scenarios: &'a [Scenario],
    usual: impl Fn(&'a Scenario) -> &'a [Value],
    differences: &'a Differences,
) -> usize {
    let answers = run_all(scenarios);
    let mut failures = String::new();
    let mut unused: BTreeSet<_> = differences.keys().collect();
    for scenario in scenarios {
        let (id, usual) = (&scenario.id, usual(scenario));
        let expected = differences.get(id).map_or(usual, |trace| trace);
        unused.remove(id);
        let answer = &answers[id];
        if answer != expected {
            let (wanted, got) = (Value::from(expected), Value::from(answer.as_slice()));
            writeln!(failures, "{id}\n  expected:   {wanted}\n  waterwheel: {got}").unwrap();
        } else if answer == usual && differences.contains_key(id) {
            writeln!(failures, "{id} is listed as a difference, but is none").unwrap();
        }
    }
    for id in unused {
        writeln!(failures, "the difference {id} is of no scenario").unwrap();
    }
    assert!(failures.is_empty(), "\n{failures}");
    scenarios.len()
}

/// The folder that this file is in.
fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

#[test]
fn waterwheel_gives_the_traces_that_asyncio_gave() {
    let scenarios = Scenario::load(&here().join("scenarios"));
    let differences = differences(&here().join("differences.json"), &[]);
    let count = compare(&scenarios, Scenario::recorded, &differences);
    assert!(count >= 520, "only {count} scenarios were found");
}

/// The expected traces are those over TCP. Those that differ over TLS are listed, and most of them are asyncio's over
/// TLS.
#[cfg(feature = "tls")]
#[test]
fn over_tls_the_same_scenarios_give_the_same_traces() {
    let scenarios = Scenario::load(&here().join("scenarios"));
    let secure: Vec<_> = scenarios.iter().filter_map(Scenario::over_tls).collect();
    let over_tcp = differences(&here().join("differences.json"), &[]);
    let over_tls = differences(&here().join("over_tls.json"), &secure);
    let count =
        compare(&secure, |scenario| over_tcp.get(&scenario.id).map_or(scenario.recorded(), |trace| trace), &over_tls);
    assert!(count >= 140, "only {count} scenarios can run over TLS");
}

/// The expected traces are those over TCP. Those that differ in memory are listed.
#[test]
fn in_memory_the_same_scenarios_give_the_same_traces() {
    let scenarios = Scenario::load(&here().join("scenarios"));
    let in_memory: Vec<_> = scenarios.iter().filter_map(Scenario::in_memory).collect();
    let over_tcp = differences(&here().join("differences.json"), &[]);
    let listed = differences(&here().join("in_memory.json"), &[]);
    let count =
        compare(&in_memory, |scenario| over_tcp.get(&scenario.id).map_or(scenario.recorded(), |trace| trace), &listed);
    assert!(count >= 180, "only {count} scenarios can run in memory");
}

/// `WATERWHEEL_SCENARIOS` names a folder of further scenarios, which may have a `differences.json` of its own.
#[test]
fn further_scenarios_give_the_traces_that_asyncio_gave() {
    match std::env::var_os("WATERWHEEL_SCENARIOS").map(PathBuf::from) {
        Some(folder) => {
            let scenarios = Scenario::load(&folder);
            let differences = differences(&folder.join("differences.json"), &[]);
            println!("{} further scenarios", compare(&scenarios, Scenario::recorded, &differences));
        }
        None => println!("WATERWHEEL_SCENARIOS names no folder: there are no further scenarios"),
    }
}
