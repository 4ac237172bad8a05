//! A server under callgrind or strace, and their counts.
//!
//! The number of events that one poll of the selector finds would normally depend on the scheduler, but it must be the
//! same on every run. So the server is stopped while many clients act, and then finds all their events at once.

use std::env::temp_dir;
use std::fs::{self, read_to_string};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio, id};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Everything is slow under callgrind, and slower on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The tool that counts, and what it counts.
#[derive(Debug, Clone, Copy)]
pub enum Tool {
    /// Instructions in user space.
    Callgrind,
    /// System calls.
    Strace,
}

/// A server under a tool. It is killed when this is dropped.
#[derive(Debug)]
pub struct Watched {
    tool: Tool,
    log: PathBuf,
    child: Child,
    pub address: SocketAddr,
}

impl Watched {
    /// Starts `program`, this package's server, which exits when this number of connections have ended.
    pub fn start(tool: Tool, program: &str, kind: &str, connections: usize) -> Watched {
        let log = temp_dir().join(format!("gate-{}.log", id()));
        // An old log, of a process that had the same number, must not be mistaken for the new one.
        let _ = fs::remove_file(&log);
        let mut command = match tool {
            Tool::Callgrind => {
                let mut command = Command::new("valgrind");
                command.args(["-q", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", log.display()));
                command
            }
            Tool::Strace => {
                let mut command = Command::new("strace");
                // -D makes the server our child, as with valgrind. -f includes threads, although there should be none.
                command.args(["-D", "-f", "-q", "-s", "0", "-o"]).arg(&log);
                command
            }
        };
        command.args([program, kind, &connections.to_string()]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("valgrind and strace are installed");
        let output = child.stdout.take().expect("its output is piped");
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address).expect("the server's output is text");
        let address = address.trim_end().parse().expect("the server prints its address");
        Watched { tool, log, child, address }
    }

    /// Calls `act` while the server is stopped, so that the server finds all events at once.
    pub fn while_stopped<T>(&self, act: impl FnOnce() -> T) -> T {
        self.until_state("S");
        self.signal(Signal::STOP);
        self.until_state("Tt");
        let result = act();
        self.signal(Signal::CONT);
        result
    }

    fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(self.child.id() as i32).expect("a child has a number");
        kill_process(process, signal).expect("the server runs");
    }

    /// Waits until the kernel reports one of these states for the server: S for sleeping, T or t for stopped.
    fn until_state(&self, letters: &str) {
        let path = format!("/proc/{}/stat", self.child.id());
        until("the server sleeps or is stopped", || {
            let stat = read_to_string(&path).expect("the server runs");
            // The name, in parentheses, may contain spaces.
            let (_, fields) = stat.rsplit_once(") ").expect("the name is in parentheses");
            fields.starts_with(|letter| letters.contains(letter))
        });
    }

    /// Waits until the server exits, and returns the tool's count.
    pub fn total(mut self) -> u64 {
        let mut status = None;
        until("the server ends", || {
            status = self.child.try_wait().expect("it is our child");
            status.is_some()
        });
        assert!(status.is_some_and(|status| status.success()), "the server failed: {status:?}");
        let mut total = None;
        until("the tool has written its count", || {
            total = read_to_string(&self.log).ok().and_then(|text| match self.tool {
                Tool::Callgrind => instructions(&text),
                Tool::Strace => system_calls(&text),
            });
            total.is_some()
        });
        total.expect("it was waited for")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Usually the server has exited already. And there may be no log to remove.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.log);
    }
}

fn instructions(profile: &str) -> Option<u64> {
    profile.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// The number of system calls in a log, if it is complete.
fn system_calls(log: &str) -> Option<u64> {
    log.lines().last()?.contains("+++ exited with 0 +++").then_some(())?;
    let calls = log.lines().map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' '));
    // Lines that begin otherwise report signals and the exit. A wait that was interrupted was interrupted by our
    // stopping.
    let counts = |call: &&str| call.starts_with(|c: char| c.is_ascii_lowercase()) && !call.contains("= -1 EINTR");
    Some(calls.filter(counts).count() as u64)
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(Duration::from_micros(200));
    }
}

#[cfg(test)]
mod tests {
    use super::{instructions, system_calls};

    #[test]
    fn only_a_complete_log_is_counted_and_only_its_calls() {
        let log = "7 read(0, \"\"..., 9) = 9\n7 epoll_wait(3, 0x1, 1, -1) = -1 EINTR (Interrupted system call)\n\
                   7 --- SIGCONT {si_signo=SIGCONT} ---\n71  close(3) = 0\n7 exit_group(0) = ?\n";
        assert_eq!(system_calls(log), None);
        assert_eq!(system_calls(&format!("{log}7 +++ exited with 0 +++\n")), Some(3));
        assert_eq!(system_calls(""), None);
    }

    #[test]
    fn a_profile_has_its_total_at_its_end() {
        assert_eq!(instructions("events: Ir\nfn=(1) main\n3 5\n\ntotals: 1234\n"), Some(1234));
        assert_eq!(instructions("events: Ir\n"), None);
    }
}
