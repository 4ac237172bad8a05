//! A scenario as it is in its file. README.md in this folder explains the parts.

use std::path::Path;

use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) id: String,
    pub(crate) kind: String,
    json: Value,
}

impl Scenario {
    fn new(json: Value) -> Scenario {
        let text = |key: &str| json[key].as_str().unwrap_or_else(|| panic!("{json} has no {key}")).to_owned();
        Scenario { id: text("id"), kind: text("kind"), json }
    }

    /// Loads all scenarios of a folder, in the order of the files' names.
    pub(crate) fn load(folder: &Path) -> Vec<Scenario> {
        let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let is_scenarios =
            |path: &Path| path.extension() == Some("json".as_ref()) && !path.ends_with("differences.json");
        paths.iter().filter(|path| is_scenarios(path)).flat_map(|path| Scenario::load_file(path)).collect()
    }

    fn load_file(path: &Path) -> Vec<Scenario> {
        let Value::Array(all) = load_json(path) else { panic!("{} is no array", path.display()) };
        all.into_iter().map(Scenario::new).collect()
    }

    /// The trace of asyncio.
    pub(crate) fn recorded(&self) -> &[Value] {
        self.json["asyncio"].as_array().unwrap_or_else(|| panic!("{} has no recorded answer", self.id))
    }

    /// The same scenario over TLS, if it is about a connection over TCP.
    #[cfg(feature = "tls")]
    pub(crate) fn over_tls(&self) -> Option<Scenario> {
        let is_connection = ["transport", "streams"].contains(&self.kind.as_str());
        if !is_connection || self.text("over", "tcp") != "tcp" {
            return None;
        }
        let mut secure = self.clone();
        secure.json["over"] = "tls".into();
        Some(secure)
    }

    /// The same scenario on a network in memory, if it is about connections.
    pub(crate) fn in_memory(&self) -> Option<Scenario> {
        let is_connection = ["transport", "streams", "server"].contains(&self.kind.as_str());
        if !is_connection || self.text("over", "tcp") != "tcp" {
            return None;
        }
        let mut in_memory = self.clone();
        in_memory.json["over"] = "memory".into();
        Some(in_memory)
    }

    /// The trace of asyncio over TLS, which is recorded only if it differs from the one over TCP.
    pub(crate) fn recorded_over_tls(&self) -> &[Value] {
        self.json["asyncio_tls"].as_array().map_or_else(|| self.recorded(), Vec::as_slice)
    }

    pub(crate) fn steps(&self, key: &str) -> Vec<Value> {
        self.json[key].as_array().cloned().unwrap_or_default()
    }

    /// The steps that a protocol performs in its callback `name`.
    pub(crate) fn reactions(&self, name: &str) -> Vec<Value> {
        self.json["on"][name].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        !self.json[key].is_null()
    }

    pub(crate) fn number(&self, key: &str, otherwise: usize) -> usize {
        self.json[key].as_u64().map_or(otherwise, |number| number as usize)
    }

    pub(crate) fn flag(&self, key: &str, otherwise: bool) -> bool {
        self.json[key].as_bool().unwrap_or(otherwise)
    }

    pub(crate) fn text(&self, key: &str, otherwise: &'static str) -> &str {
        self.json[key].as_str().unwrap_or(otherwise)
    }
}

pub(crate) fn load_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A step taken apart: its name, its connection, and its arguments.
pub(crate) struct Step<'a> {
    pub(crate) name: &'a str,
    pub(crate) at: Option<usize>,
    args: &'a [Value],
}

impl<'a> Step<'a> {
    pub(crate) fn of(step: &'a Value) -> Step<'a> {
        let parts = step.as_array().unwrap_or_else(|| panic!("{step} is no step"));
        let name = parts[0].as_str().expect("a step begins with its name");
        let (name, at) = match name.split_once('@') {
            Some((name, at)) => (name, Some(at.parse().expect("a number follows the @"))),
            None => (name, None),
        };
        Step { name, at, args: &parts[1..] }
    }

    pub(crate) fn arg(&self, place: usize) -> &'a Value {
        self.args.get(place).unwrap_or(&Value::Null)
    }

    pub(crate) fn text(&self, place: usize) -> &'a str {
        self.arg(place).as_str().unwrap_or_else(|| panic!("{}: a text was expected", self.name))
    }

    pub(crate) fn number(&self, place: usize) -> usize {
        self.arg(place).as_u64().unwrap_or_else(|| panic!("{}: a number was expected", self.name)) as usize
    }

    pub(crate) fn bytes(&self, place: usize) -> Vec<u8> {
        bytes(self.arg(place))
    }

    /// One piece of bytes, or a list of them.
    pub(crate) fn list(&self, place: usize) -> Vec<Vec<u8>> {
        match self.arg(place) {
            Value::Array(all) => all.iter().map(bytes).collect(),
            one => vec![bytes(one)],
        }
    }

    pub(crate) fn steps(&self, place: usize) -> Vec<Value> {
        self.arg(place).as_array().cloned().unwrap_or_default()
    }
}

/// Bytes are a text of characters up to 255, or such a text repeated.
fn bytes(value: &Value) -> Vec<u8> {
    if let Some(text) = value.as_str() {
        return text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte is at most 255")).collect();
    }
    bytes(&value["repeat"]).repeat(value["times"].as_u64().expect("times is a number") as usize)
}
