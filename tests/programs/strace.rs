//! A server under strace: the system calls that it makes, and what it does when they fail.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::processes::until;
use crate::servers::{Server, example};

/// A command that runs a program under strace, and the log that it writes. The caller adds options and the program.
pub(crate) fn under_strace(name: &str) -> (Command, PathBuf) {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{}.strace", std::process::id()));
    let _ = fs::remove_file(&log);
    let mut strace = Command::new("strace");
    // -f: trace threads too. Every line then begins with a pid.
    strace.args(["-f", "-q", "-o"]).arg(&log);
    // Debug mode makes calls of its own, and its thread may interrupt any other call, whose line is then torn in two.
    strace.env_remove("WATERWHEEL_DEBUG");
    (strace, log)
}

/// A server that is traced. The log has one line for each system call, in order.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) server: Server,
    log: PathBuf,
}

impl Traced {
    /// Starts an example under strace with some options. `name` is the name of the log. If the options select system
    /// calls, they must include `execve`, whose line shows the pid.
    #[track_caller]
    pub(crate) fn start(name: &str, program: &str, options: &[&str]) -> Traced {
        let program = example(program);
        Traced::command(name, &[program.to_str().expect("the path is plain"), "127.0.0.1:0"], options)
    }

    /// Like [`start`](Traced::start), for any program that prints where it serves.
    #[track_caller]
    pub(crate) fn command(name: &str, program: &[&str], options: &[&str]) -> Traced {
        let (mut strace, log) = under_strace(name);
        strace.args(["-s", "32"]).args(options).args(program);
        let mut server = Server::start(&mut strace);
        let text = fs::read_to_string(&log).expect("strace writes its log at once");
        let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok());
        let pid: u32 = pid.unwrap_or_else(|| panic!("no process in the log of strace: {text}"));
        server.process.inner = Some(pid);
        Traced { server, log }
    }

    /// Ends the server, and returns the system calls that it made, each as one line without the pid.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.server.process.kill();
        let mut text = String::new();
        until("strace has written its log", || {
            text = fs::read_to_string(&self.log).expect("the log is there");
            text.contains("+++ killed by SIGKILL +++")
        });
        let calls = text.lines().map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start());
        // Other lines are about signals and the exit.
        calls.filter(|call| call.starts_with(|c: char| c.is_ascii_lowercase())).map(str::to_owned).collect()
    }
}

/// The name of the system call in a line of the log.
pub(crate) fn name_of(call: &str) -> &str {
    call.split('(').next().unwrap_or(call)
}

/// How many calls failed because strace made them fail.
pub(crate) fn injected(calls: &[String], name: &str) -> usize {
    calls.iter().filter(|call| name_of(call) == name && call.ends_with("(INJECTED)")).count()
}

/// The system calls in a window of the log, by name.
#[derive(Debug)]
pub(crate) struct Counts(BTreeMap<String, usize>);

impl Counts {
    /// Counts the lines after the last one with `begin`, up to and including the last one with `end`.
    #[track_caller]
    pub(crate) fn between(calls: &[String], begin: &str, end: &str) -> Counts {
        let last = |text| calls.iter().rposition(|call| call.contains(text)).unwrap_or_else(|| panic!("no {text:?}"));
        let (begin, end) = (last(begin), last(end));
        assert!(begin < end, "the window is in order");
        let mut counts = BTreeMap::new();
        for call in &calls[begin + 1..=end] {
            *counts.entry(name_of(call).to_owned()).or_default() += 1;
        }
        if cfg!(debug_assertions) {
            // A debug build of std checks that a descriptor is open before it closes it.
            counts.remove("fcntl");
        }
        Counts(counts)
    }

    pub(crate) fn of(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Prints the measurement, which `--nocapture` shows, and returns it.
    pub(crate) fn per(&self, what: &str, times: usize) -> f64 {
        let each = self.total() as f64 / times as f64;
        println!("{each:.3} system calls per {what}: {:?} for {times}", self.0);
        each
    }
}
