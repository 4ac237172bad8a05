//! Other programs, run as a user would run them: found or built, watched, and ended when a test is over.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A program that prints nothing for this long hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long to wait between two looks at something that gives no notice.
pub(crate) const MOMENT: Duration = Duration::from_millis(5);

/// Calls `done` again and again until it returns true, and fails with `what` if that takes too long.
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(MOMENT);
    }
}

/// A program in the background. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
    /// The process to kill, if that is not the child itself but a child of it.
    pub(crate) inner: Option<u32>,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
    /// Ends when all errors are collected.
    collector: JoinHandle<()>,
    name: String,
}

impl Process {
    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Process {
        let name = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{name} could not be run, and this test needs it: {error}"),
        };
        let out = child.stdout.take().expect("it was piped");
        let err = child.stderr.take().expect("it was piped");
        let (line, lines) = channel();
        thread::spawn(move || {
            // Ends with the program, or when the receiver is dropped.
            let _ = BufReader::new(out).lines().map_while(Result::ok).try_for_each(|text| line.send(text));
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let collected = Arc::clone(&errors);
        let collector = thread::spawn(move || {
            for text in BufReader::new(err).lines().map_while(Result::ok) {
                let mut collected = collected.lock().expect("nobody panics with it");
                collected.push_str(&text);
                collected.push('\n');
            }
        });
        Process { child, inner: None, lines, errors, collector, name }
    }

    /// The next line of the program's output, without its newline; `None` at the end.
    #[track_caller]
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} says nothing; its errors: {}", self.name, self.errors()),
        }
    }

    /// The standard error of the program so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().expect("nobody panics with it").clone()
    }

    /// Waits for the program's end, and returns its status, the lines of its output that are left, and its whole
    /// standard error.
    #[track_caller]
    pub(crate) fn finish(mut self) -> (ExitStatus, Vec<String>, String) {
        drop(self.child.stdin.take());
        let lines = std::iter::from_fn(|| self.line()).collect();
        (self.ended(), lines, self.errors())
    }

    /// Waits until the program has ended and all of its standard error is read.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("a program ends and all it said is read", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some() && self.collector.is_finished()
        });
        status.expect("it has ended")
    }

    /// Kills the program and waits for its end.
    pub(crate) fn kill(&mut self) {
        if let Some(inner) = self.inner.take() {
            let _ = signal(inner, "KILL");
        } else {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal, through the shell, since some machines have no `kill` program.
pub(crate) fn signal(pid: u32, name: &str) -> bool {
    let command = format!("kill -{name} {pid}");
    Command::new("sh").args(["-c", &command]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Starts a server that prints `Serving on ADDR`, and returns it with that address.
#[track_caller]
pub(crate) fn serving(command: &mut Command) -> (Process, SocketAddr) {
    let process = Process::start(command.env_remove("RUST_LOG"));
    loop {
        let line = process.line().unwrap_or_else(|| panic!("the server ended at once: {}", process.errors()));
        // A server that is one of our test programs has printed lines of the harness before.
        if let Some((_, address)) = line.split_once("Serving on ") {
            return (process, address.parse().expect("an address comes after `Serving on`"));
        }
    }
}

/// Runs a program with an input, checks that it succeeds, and returns its output.
#[track_caller]
pub(crate) fn output_of(command: &mut Command, input: Option<&Path>) -> Vec<u8> {
    let stdin = input.map_or_else(Stdio::null, |path| std::fs::File::open(path).expect("the input is there").into());
    let spawned = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?} is needed by this test: {error}"));
    let read = |mut from: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut all = Vec::new();
            from.read_to_end(&mut all).map(|_| all)
        })
    };
    let out = read(Box::new(child.stdout.take().expect("it was piped")));
    let err = read(Box::new(child.stderr.take().expect("it was piped")));
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break Some(status);
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        thread::sleep(MOMENT);
    };
    let out = out.join().expect("reading does not panic").expect("its output can be read");
    let err = err.join().expect("reading does not panic").expect("its errors can be read");
    let (said, complained) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
    match status {
        Some(status) if status.success() => out,
        Some(status) => panic!("{command:?}: {status}\n{said}\n{complained}"),
        None => panic!("{command:?} did not end in time\n{said}\n{complained}"),
    }
}
