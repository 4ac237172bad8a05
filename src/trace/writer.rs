//! Writing a trace as Chrome's trace events: a JSON array with one event per line.
//!
//! A record that was dropped from the front of the ring may have begun a slice or a flow that ends later. So the
//! first event is the beginning of a turn, a flow is written only with both ends, and slices that have not ended yet
//! end with the last event.

use std::collections::HashSet;
use std::fmt::Display;
use std::io::{self, Write};
use std::process;

use super::json::Quoted;
use super::record::{Name, Phase, Record, What};

pub(super) fn write_trace(out: &mut dyn Write, number: u32, records: &[Record], dropped: u64) -> io::Result<()> {
    let mut events = Events { out, pid: process::id(), tid: number, open: Vec::new() };
    events.begin(dropped)?;
    let whole = if dropped > 0 { whole_turns(records) } else { records };
    let flows = whole_flows(whole);
    for record in whole {
        events.write(record, &flows)?;
    }
    let last = whole.last().map_or(0, |record| record.at);
    while !events.open.is_empty() {
        events.write(&Record { at: last, what: What::Ends }, &flows)?;
    }
    writeln!(events.out, "\n]")
}

/// The records from the first beginning of a turn on. If there is none, the turn is longer than the ring, and all
/// records are returned.
fn whole_turns(records: &[Record]) -> &[Record] {
    let first = records.iter().position(|record| matches!(record.what, What::Begins(Name::Phase(Phase::Turn))));
    &records[first.unwrap_or(0)..]
}

/// The flows that have both ends in the records.
fn whole_flows(records: &[Record]) -> HashSet<u64> {
    let begun: HashSet<u64> = records
        .iter()
        .filter_map(|record| if let What::FlowBegins(flow) = record.what { Some(flow) } else { None })
        .collect();
    let ended =
        records.iter().filter_map(|record| if let What::FlowEnds(flow) = record.what { Some(flow) } else { None });
    ended.filter(|flow| begun.contains(flow)).collect()
}

struct Events<'a> {
    out: &'a mut dyn Write,
    pid: u32,
    tid: u32,
    /// The slices that have begun but not ended.
    open: Vec<Name>,
}

impl Events<'_> {
    fn begin(&mut self, dropped: u64) -> io::Result<()> {
        let Events { pid, tid, .. } = *self;
        let process = std::env::args_os().next().unwrap_or_default();
        let process = Quoted(process.to_string_lossy());
        write!(
            self.out,
            r#"[
{{"name":"process_name","ph":"M","pid":{pid},"tid":{tid},"args":{{"name":{process}}}}},
{{"name":"thread_name","ph":"M","pid":{pid},"tid":{tid},"args":{{"name":"event loop {tid}"}}}},
{{"name":"dropped","ph":"M","pid":{pid},"tid":{tid},"args":{{"records":{dropped}}}}}"#
        )
    }

    /// Writes the members that all events have. The caller adds further members and closes the object.
    fn event(&mut self, phase: char, at: u64, category: &str, name: impl Display) -> io::Result<()> {
        let Events { pid, tid, .. } = *self;
        let (micros, nanos) = (at / 1000, at % 1000);
        let name = Quoted(name);
        write!(
            self.out,
            ",\n{{\"name\":{name},\"cat\":\"{category}\",\"ph\":\"{phase}\",\"ts\":{micros}.{nanos:03},\"pid\":{pid},\"tid\":{tid}"
        )
    }

    fn write(&mut self, record: &Record, flows: &HashSet<u64>) -> io::Result<()> {
        let at = record.at;
        match &record.what {
            What::Begins(name) => {
                self.slice('B', at, name)?;
                self.open.push(name.clone());
                Ok(())
            }
            What::Ends => match self.open.pop() {
                Some(name) => self.slice('E', at, &name),
                None => Ok(()),
            },
            What::FlowBegins(flow) if flows.contains(flow) => {
                self.event('s', at, "flow", "queued")?;
                write!(self.out, ",\"id\":{flow}}}")
            }
            What::FlowEnds(flow) if flows.contains(flow) => {
                self.event('f', at, "flow", "queued")?;
                write!(self.out, ",\"bp\":\"e\",\"id\":{flow}}}")
            }
            What::FlowBegins(_) | What::FlowEnds(_) => Ok(()),
            What::Counts(counter, value) => {
                self.event('C', at, "counter", counter.name())?;
                write!(self.out, ",\"args\":{{\"value\":{value}}}}}")
            }
            What::Mark(text) => {
                self.event('i', at, "mark", text)?;
                write!(self.out, ",\"s\":\"t\"}}")
            }
        }
    }

    /// Writes the beginning or the end of a slice. Details other than its name are written at the beginning.
    fn slice(&mut self, phase: char, at: u64, name: &Name) -> io::Result<()> {
        match name {
            Name::Phase(of_turn) => self.event(phase, at, "turn", of_turn.name())?,
            Name::Task { name, .. } => self.event(phase, at, "task", name)?,
            Name::Main(_) => self.event(phase, at, "task", "main")?,
            Name::Callback(location) => self.event(phase, at, "callback", location)?,
            Name::Timer => self.event(phase, at, "timer", "timer")?,
            Name::Source { label, .. } => self.event(phase, at, "source", label)?,
            Name::Call(method) => self.event(phase, at, "protocol", method)?,
        }
        match name {
            Name::Task { spawned_at, .. } if phase == 'B' => {
                let location = Quoted(spawned_at);
                write!(self.out, ",\"args\":{{\"spawned at\":{location}}}}}")
            }
            Name::Source { direction, .. } if phase == 'B' => {
                write!(self.out, ",\"args\":{{\"direction\":\"{direction}\"}}}}")
            }
            _ => write!(self.out, "}}"),
        }
    }
}
