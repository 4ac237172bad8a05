//! A server under strace: what it asks of the kernel, and what it does when the kernel says no.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::processes::until;
use crate::servers::{Server, example};

/// An example that is traced. The log has one line for each system call, in order.
#[derive(Debug)]
pub(crate) struct Traced {
    pub(crate) server: Server,
    log: PathBuf,
}

impl Traced {
    /// Starts an example with options of strace; `name` is that of the log. If the options say what is traced, that
    /// has to include `execve`, which tells the process.
    #[track_caller]
    pub(crate) fn start(name: &str, program: &str, options: &[&str]) -> Traced {
        let program = example(program);
        Traced::command(name, &[program.to_str().expect("the path is plain"), "127.0.0.1:0"], options)
    }

    /// As [`start`](Traced::start), for any program that says where it serves.
    #[track_caller]
    pub(crate) fn command(name: &str, program: &[&str], options: &[&str]) -> Traced {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{}.strace", std::process::id()));
        let _ = fs::remove_file(&log);
        let mut strace = Command::new("strace");
        // -f: also threads, of which there should be none; every line then begins with the process.
        strace.args(["-f", "-q", "-s", "32"]).args(options).arg("-o").arg(&log);
        // The calls are those of a plain loop: debug mode has a thread and makes calls of its own.
        strace.args(program).env_remove("WATERWHEEL_DEBUG");
        let mut server = Server::start(&mut strace);
        let text = fs::read_to_string(&log).expect("strace writes its log at once");
        let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok());
        let pid: u32 = pid.unwrap_or_else(|| panic!("no process in the log of strace: {text}"));
        server.process.inner = Some(pid);
        Traced { server, log }
    }

    /// Ends the server, and gives the system calls it made, each as one line without the process.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.server.process.kill();
        let mut text = String::new();
        until("strace has written its log", || {
            text = fs::read_to_string(&self.log).expect("the log is there");
            text.contains("+++ killed by SIGKILL +++")
        });
        let calls = text.lines().map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start());
        // Lines that begin otherwise tell of signals and of the end.
        calls.filter(|call| call.starts_with(|c: char| c.is_ascii_lowercase())).map(str::to_owned).collect()
    }
}

/// The name of the system call in a line of the log.
pub(crate) fn name_of(call: &str) -> &str {
    call.split('(').next().unwrap_or(call)
}

/// How many calls have failed because strace made them fail.
pub(crate) fn injected(calls: &[String], name: &str) -> usize {
    calls.iter().filter(|call| name_of(call) == name && call.ends_with("(INJECTED)")).count()
}

/// System calls by name, in a window of the log.
#[derive(Debug)]
pub(crate) struct Counts(BTreeMap<String, usize>);

impl Counts {
    /// Counts the lines after the last one with `begin`, up to the last one with `end`, which is included.
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
            // Whether what is about to be closed is open at all.
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

    /// Prints what was measured, for whoever runs the test with `--nocapture`, and gives it.
    pub(crate) fn per(&self, what: &str, times: usize) -> f64 {
        let each = self.total() as f64 / times as f64;
        println!("{each:.3} system calls per {what}: {:?} for {times}", self.0);
        each
    }
}
