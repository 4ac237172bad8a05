//! Reads a trace and checks that it is complete: every begin has its end, every flow that begins also ends, and the
//! parts of a turn add up to the turn.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// A trace that has passed all checks.
#[derive(Debug)]
pub(crate) struct ChromeTrace {
    pub(crate) events: Vec<Value>,
    /// The slices, in the order of their ends.
    pub(crate) slices: Vec<Slice>,
}

#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub(crate) name: String,
    pub(crate) category: String,
    /// How many slices enclose it.
    pub(crate) depth: usize,
    /// In nanoseconds.
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) args: Value,
}

fn text<'a>(event: &'a Value, member: &str) -> &'a str {
    event[member].as_str().unwrap_or_else(|| panic!("{member} is a string: {event}"))
}

/// The time of an event, in nanoseconds: the trace has microseconds with three decimals.
fn nanos(event: &Value) -> u64 {
    let micros = event["ts"].as_f64().unwrap_or_else(|| panic!("an event has a time: {event}"));
    (micros * 1000.0).round() as u64
}

/// Reads and checks the trace in a file.
pub(crate) fn read(path: &Path) -> ChromeTrace {
    check(&std::fs::read_to_string(path).expect("the trace can be read"))
}

pub(crate) fn check(json: &str) -> ChromeTrace {
    let events: Vec<Value> = serde_json::from_str(json).expect("the trace is an array in JSON");
    let timed: Vec<&Value> = events.iter().filter(|event| text(event, "ph") != "M").collect();
    for event in &events {
        assert!(event["pid"].is_u64() && event["tid"].is_u64() && event["name"].is_string(), "{event}");
        assert!("MBECsfi".contains(text(event, "ph")), "{event}");
    }
    assert!(timed.iter().is_sorted_by_key(|event| nanos(event)), "the events are in the order of their times");
    let slices = slices(&timed);
    check_flows(&timed);
    check_turns(&slices);
    ChromeTrace { events, slices }
}

fn slices(timed: &[&Value]) -> Vec<Slice> {
    let (mut open, mut slices) = (Vec::<Slice>::new(), Vec::new());
    for event in timed {
        let name = text(event, "name").to_owned();
        match text(event, "ph") {
            "B" => open.push(Slice {
                name,
                category: text(event, "cat").to_owned(),
                depth: open.len(),
                begin: nanos(event),
                end: 0,
                args: event["args"].clone(),
            }),
            "E" => {
                let slice = open.pop().unwrap_or_else(|| panic!("something ends that has not begun: {event}"));
                assert_eq!(slice.name, name, "what began last ends first");
                slices.push(Slice { end: nanos(event), ..slice });
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "something does not end: {open:?}");
    slices
}

/// Each flow begins within a slice, and ends later, directly after the begin of another slice.
fn check_flows(timed: &[&Value]) {
    let (mut begun, mut ended) = (BTreeMap::new(), BTreeSet::new());
    let mut depth = 0;
    let mut before = "";
    for event in timed {
        let phase = text(event, "ph");
        match phase {
            "B" => depth += 1,
            "E" => depth -= 1,
            "s" => {
                assert!(depth > 0, "a flow begins outside of all slices: {event}");
                assert!(begun.insert(event["id"].as_u64(), nanos(event)).is_none(), "begins twice: {event}");
            }
            "f" => {
                let began = begun.get(&event["id"].as_u64()).unwrap_or_else(|| panic!("has not begun: {event}"));
                assert!(*began <= nanos(event) && before == "B", "{event}");
                assert!(ended.insert(event["id"].as_u64()), "ends twice: {event}");
            }
            _ => {}
        }
        before = phase;
    }
    assert_eq!(begun.into_keys().collect::<BTreeSet<_>>(), ended, "each flow that begins ends");
}

/// A turn consists of its parts, without a gap; everything else is in a batch.
fn check_turns(slices: &[Slice]) {
    let last = slices.last().map_or(0, |slice| slice.end);
    let mut parts = Vec::<&Slice>::new();
    for slice in slices {
        match (slice.category.as_str(), slice.depth) {
            ("turn", 0) => {
                assert_eq!(slice.name, "turn");
                let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
                let order = ["save", "wait", "collect", "batch"];
                let places: Vec<_> = names.iter().map(|name| order.iter().position(|other| other == name)).collect();
                // The last turn may have been written before it ended.
                let is_whole = names.ends_with(&["collect", "batch"]) || slice.end == last;
                assert!(places.is_sorted() && is_whole, "{names:?}");
                let ends = parts.iter().map(|part| part.end);
                let begins = parts.iter().skip(1).map(|part| part.begin);
                assert!(ends.eq(begins.chain([slice.end])), "the parts leave a gap: {slice:?} {parts:?}");
                assert_eq!(parts[0].begin, slice.begin);
                let sum: u64 = parts.drain(..).map(|part| part.end - part.begin).sum();
                assert_eq!(sum, slice.end - slice.begin);
            }
            ("turn", 1) => parts.push(slice),
            (_, depth) => assert!(depth >= 2, "{slice:?}"),
        }
    }
    assert!(parts.is_empty(), "a part of no turn: {parts:?}");
}

impl ChromeTrace {
    /// How many slices have this name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.slices.iter().filter(|slice| slice.name == name).count()
    }

    /// The values of a counter, in order.
    pub(crate) fn counted(&self, counter: &str) -> Vec<u64> {
        let events = self.events.iter().filter(|event| event["ph"] == "C" && event["name"] == counter);
        events.map(|event| event["args"]["value"].as_u64().expect("a count is a number")).collect()
    }
}
