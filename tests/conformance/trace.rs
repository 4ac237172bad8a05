//! The trace of a run: its values and errors, without times and wording.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use serde_json::{Value, json};
use waterwheel::ReadError;

/// Longer bytes are recorded by their length and checksum.
const LONGEST: usize = 200;

/// What the step `raise` panics with.
pub(crate) const PROTOCOL_FAILED: &str = "the scenario raises";

#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<Inner>);

#[derive(Default)]
struct Inner {
    entries: RefCell<Vec<Entry>>,
    events: Cell<usize>,
    /// Recording is over.
    over: Cell<bool>,
}

struct Entry {
    name: String,
    /// The bytes of a stream, which later entries of the same name extend.
    data: Option<Vec<u8>>,
    values: Vec<Value>,
}

impl Trace {
    pub(crate) fn add(&self, name: impl Into<String>, values: Vec<Value>) {
        self.push(Entry { name: name.into(), data: None, values });
    }

    fn push(&self, entry: Entry) {
        self.0.events.set(self.0.events.get() + 1);
        if !self.0.over.get() {
            self.0.entries.borrow_mut().push(entry);
        }
    }

    /// The bytes of a stream may come in any pieces: consecutive pieces make one entry.
    pub(crate) fn data(&self, name: String, data: &[u8]) {
        if let Some(last) = self.0.entries.borrow_mut().last_mut().filter(|last| last.name == name) {
            if let Some(earlier) = &mut last.data {
                self.0.events.set(self.0.events.get() + 1);
                return earlier.extend_from_slice(data);
            }
        }
        self.push(Entry { name, data: Some(data.to_vec()), values: Vec::new() });
    }

    /// How many things have happened.
    pub(crate) fn events(&self) -> usize {
        self.0.events.get()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.entries.borrow().iter().any(|entry| entry.name == name)
    }

    /// Ends the recording and returns the trace.
    pub(crate) fn finish(&self) -> Vec<Value> {
        self.0.over.set(true);
        let entries = self.0.entries.borrow();
        entries.iter().map(Entry::shaped).collect()
    }
}

impl Entry {
    fn shaped(&self) -> Value {
        let mut parts = vec![json!(self.name)];
        parts.extend(self.data.as_deref().map(shape));
        parts.extend_from_slice(&self.values);
        Value::Array(parts)
    }
}

pub(crate) fn shape(data: &[u8]) -> Value {
    if data.len() <= LONGEST {
        return data.iter().copied().map(char::from).collect::<String>().into();
    }
    json!({"bytes": data.len(), "adler32": adler32(data)})
}

fn adler32(data: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in data {
        a = (a + u32::from(byte)) % 65521;
        b = (b + a) % 65521;
    }
    b << 16 | a
}

pub(crate) fn misuse() -> Value {
    json!({"error": "Misuse"})
}

/// What the step `raise` raises: here, a panic.
pub(crate) fn protocol_failed() -> Value {
    json!({"error": "ProtocolFailed"})
}

pub(crate) fn read_error(error: &ReadError) -> Value {
    match error {
        ReadError::IncompleteRead { partial, expected } => {
            json!({"error": "IncompleteRead", "partial": shape(partial), "expected": expected})
        }
        ReadError::LimitOverrun { consumed } => json!({"error": "LimitOverrun", "consumed": consumed}),
        ReadError::Io(error) => io_error(error),
        other => json!({"error": other.to_string()}),
    }
}

pub(crate) fn io_error(error: &io::Error) -> Value {
    use io::ErrorKind as Kind;
    let text = error.to_string();
    match error.kind() {
        Kind::ConnectionRefused => json!({"error": "ConnectionRefused"}),
        Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => json!({"error": "ConnectionLost"}),
        Kind::InvalidInput => misuse(),
        // A server that is closed refuses to serve.
        Kind::NotConnected if error.raw_os_error().is_none() => misuse(),
        Kind::Other if text.contains("panicked") => protocol_failed(),
        Kind::Other => json!({"error": "Fed", "text": text}),
        kind => json!({"error": format!("{kind:?}: {text}")}),
    }
}
