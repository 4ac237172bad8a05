//! A trace as slices: what happened, when it began, and how long it took.

use std::collections::HashMap;

use serde_json::Value;

pub(crate) struct Trace {
    /// Ordered by begin.
    pub(crate) slices: Vec<Slice>,
    /// For each name: when each value begins to hold, and the value.
    pub(crate) counters: Vec<(String, Vec<(u64, u64)>)>,
    /// The program's name.
    pub(crate) program: String,
    /// How many records were dropped before the first one in the trace.
    pub(crate) dropped: u64,
}

pub(crate) struct Slice {
    pub(crate) name: String,
    /// `turn`, `task`, `callback`, `source`, `timer` or `protocol`.
    pub(crate) category: String,
    /// Further information about it.
    pub(crate) detail: String,
    /// 0 for a turn, 1 for its parts, 2 for handles, and more for calls within them.
    pub(crate) depth: usize,
    /// In nanoseconds, like all times here.
    pub(crate) begin: u64,
    pub(crate) end: u64,
    /// The slice that queued it, and when.
    pub(crate) queued: Option<(usize, u64)>,
}

impl Trace {
    /// Reads Chrome's trace events, to the extent that waterwheel writes them.
    pub(crate) fn read(text: &str) -> Result<Trace, String> {
        let events: Vec<Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut trace = Trace { slices: Vec::new(), counters: Vec::new(), program: String::new(), dropped: 0 };
        let mut open = Vec::new();
        let mut flows = HashMap::new();
        for event in &events {
            let at = (event["ts"].as_f64().unwrap_or(0.0) * 1000.0).round() as u64;
            match event["ph"].as_str().unwrap_or_default() {
                "M" => trace.learn(event),
                "B" => {
                    let detail = event["args"].as_object().into_iter().flatten();
                    let detail: Vec<_> = detail.map(|(key, value)| format!("{key} {}", text_of(value))).collect();
                    open.push(trace.slices.len());
                    trace.slices.push(Slice {
                        name: text_of(&event["name"]),
                        category: text_of(&event["cat"]),
                        detail: detail.join(", "),
                        depth: open.len() - 1,
                        begin: at,
                        end: at,
                        queued: None,
                    });
                }
                "E" => {
                    let slice = open.pop().ok_or_else(|| format!("something ends that has not begun: {event}"))?;
                    trace.slices[slice].end = at;
                }
                "s" => {
                    let from = *open.last().ok_or_else(|| format!("a flow begins outside of all slices: {event}"))?;
                    flows.insert(event["id"].as_u64(), (from, at));
                }
                "f" => {
                    let to = *open.last().ok_or_else(|| format!("a flow ends outside of all slices: {event}"))?;
                    trace.slices[to].queued = flows.remove(&event["id"].as_u64());
                }
                "C" => trace.count(&text_of(&event["name"]), at, event["args"]["value"].as_u64().unwrap_or(0)),
                _ => {}
            }
        }
        if trace.turns().next().is_none() {
            return Err("it has no turns".to_owned());
        }
        Ok(trace)
    }

    fn learn(&mut self, event: &Value) {
        match event["name"].as_str() {
            Some("process_name") => {
                let path = text_of(&event["args"]["name"]);
                self.program = path.rsplit('/').next().unwrap_or_default().to_owned();
            }
            Some("dropped") => self.dropped = event["args"]["records"].as_u64().unwrap_or(0),
            _ => {}
        }
    }

    fn count(&mut self, name: &str, at: u64, value: u64) {
        let place = self.counters.iter().position(|(other, _)| other == name).unwrap_or_else(|| {
            self.counters.push((name.to_owned(), Vec::new()));
            self.counters.len() - 1
        });
        self.counters[place].1.push((at, value));
    }

    /// The numbers of the slices that are turns.
    pub(crate) fn turns(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.slices.len()).filter(|&slice| self.slices[slice].depth == 0)
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
