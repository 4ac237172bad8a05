//! A server under measurement, as a process.

use std::env;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::children::{MEASURED_CORE, Outcome, Running, wrapped};
use crate::servers::{Peer, Runs};
use crate::wire::App;

/// A Python process starts slowly under strace or callgrind.
const STARTING: Duration = Duration::from_secs(30);

pub(crate) struct Subject {
    process: Running,
    pub(crate) address: SocketAddr,
}

impl Subject {
    /// Starts a server, optionally under a program that watches it.
    pub(crate) fn start(peer: &Peer, app: App, wrapper: &[&str]) -> Outcome<Subject> {
        let mut process = Running::start(command(peer, app, wrapper)?, MEASURED_CORE)?;
        let line = process.line(STARTING)?;
        let address = line.parse().map_err(|_| format!("it prints no address but {line}"))?;
        Ok(Subject { process, address })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Tells the server to end, and waits until it has ended.
    pub(crate) fn end(self) -> Outcome<()> {
        self.process.end()
    }
}

fn command(peer: &Peer, app: App, wrapper: &[&str]) -> Outcome<Command> {
    missing(peer).map_or(Ok(()), Err)?;
    let Runs::Python(runtime, style) = peer.runs else {
        return Ok(wrapped(wrapper, &["serve", peer.name, app.name()]));
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/server.py");
    let python = interpreter()?;
    let mut words = wrapper.iter().copied().chain([python.as_str(), script, runtime, style, app.name()]);
    let mut command = Command::new(words.next().expect("there is at least the interpreter"));
    command.args(words);
    Ok(command)
}

/// The reason why a peer cannot be measured here, if there is one.
pub(crate) fn missing(peer: &Peer) -> Option<String> {
    match peer.runs {
        Runs::Here(_) => None,
        Runs::Without(feature) => Some(format!("not in this build; --features {feature} or all-peers adds it")),
        Runs::Python(runtime, _) => python_version(runtime).err(),
    }
}

/// The version of the interpreter, or of uvloop.
pub(crate) fn python_version(runtime: &str) -> Outcome<String> {
    match runtime {
        "uvloop" => python("import uvloop; print(uvloop.__version__)")
            .map_err(|_| "uvloop is not installed; `python3 -m pip install uvloop==0.23.0` does it".to_owned()),
        _ => python("import platform; print(platform.python_version())"),
    }
}

/// The path of the interpreter itself, rather than of a wrapper script. `VERSUS_PYTHON` chooses another interpreter.
fn interpreter() -> Outcome<String> {
    static INTERPRETER: OnceLock<Outcome<String>> = OnceLock::new();
    INTERPRETER.get_or_init(|| python("import sys; print(sys.executable)")).clone()
}

fn python(program: &str) -> Outcome<String> {
    let python = env::var("VERSUS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(&python).args(["-c", program]).output();
    let output = output.map_err(|error| format!("{python} does not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it failed").to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
