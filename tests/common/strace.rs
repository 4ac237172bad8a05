//! A server under strace: what it asks of the kernel, and what it does when the kernel says no.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::processes::{Server, example, until};

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
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{}.strace", std::process::id()));
        let _ = fs::remove_file(&log);
        let mut strace = Command::new("strace");
        // -f: also threads, of which there should be none; every line then begins with the process.
        strace.args(["-f", "-q", "-s", "32"]).args(options).arg("-o").arg(&log);
        strace.arg(example(program)).arg("127.0.0.1:0");
        let mut server = Server::start(&mut strace);
        let text = fs::read_to_string(&log).expect("strace writes its log at once");
        let pid = text.split_whitespace().next().and_then(|pid| pid.parse().ok());
        server.process.set_inner(pid.unwrap_or_else(|| panic!("no process in the log of strace: {text}")));
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
