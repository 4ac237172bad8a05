//! Child processes: each has its own core and a deadline, and ends with its parent.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, available_parallelism, sleep, spawn};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The core for servers and for measurements of tasks.
pub(crate) const MEASURED_CORE: usize = 0;
/// The core for the load.
pub(crate) const LOAD_CORE: usize = 1;

/// How long a child may take to end when it is told to.
const ENDING: Duration = Duration::from_secs(30);

/// A measurement, or the reason why there is none.
pub(crate) type Outcome<T> = Result<T, String>;

/// A child process, which is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    complaints: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts a child on `core`, if this machine has that core.
    pub(crate) fn start(command: Command, core: usize) -> Outcome<Running> {
        on_core(core, || Running::start_anywhere(command))
    }

    pub(crate) fn start_anywhere(mut command: Command) -> Outcome<Running> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| format!("{:?} does not start: {error}", command.get_program()))?;
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        let (sender, lines) = channel();
        spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let complaints = Some(spawn(move || {
            let mut text = Vec::new();
            // On an error, the text that was read before it is still reported.
            let _ = BufReader::new(errors).take(1 << 20).read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        }));
        Ok(Running { child, lines, complaints })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that the child prints.
    pub(crate) fn line(&mut self, deadline: Duration) -> Outcome<String> {
        match self.lines.recv_timeout(deadline) {
            Ok(line) => Ok(line),
            Err(_) if matches!(self.child.try_wait(), Ok(None)) => {
                let why = format!("no answer in {} s", deadline.as_secs());
                let _ = self.child.kill();
                Err(why)
            }
            Err(_) => Err(self.why_it_ended()),
        }
    }

    /// All lines that the child prints until it ends by itself.
    pub(crate) fn output(mut self, deadline: Duration) -> Outcome<Vec<String>> {
        let end = Instant::now() + deadline;
        let mut output = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            output.push(line);
        }
        let status = self.wait(end.saturating_duration_since(Instant::now()).max(Duration::from_secs(1)));
        match status {
            Some(true) => Ok(output),
            Some(false) => Err(self.why_it_ended()),
            None => Err(format!("not finished in {} s", deadline.as_secs())),
        }
    }

    /// Tells the child to end, and waits until it has ended, since valgrind and strace write their counts at the end.
    pub(crate) fn end(mut self) -> Outcome<()> {
        let process = Pid::from_raw(self.child.id() as i32).expect("a child has an id");
        kill_process(process, Signal::TERM).map_err(|_| self.why_it_ended())?;
        self.wait(ENDING).map(drop).ok_or_else(|| "it does not end".to_owned())
    }

    /// Whether the child succeeded, if it ended in time.
    fn wait(&mut self, deadline: Duration) -> Option<bool> {
        let end = Instant::now() + deadline;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status.success()),
                Ok(None) if Instant::now() < end => sleep(Duration::from_millis(2)),
                _ => return None,
            }
        }
    }

    fn why_it_ended(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let text = self.complaints.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with("note:")).collect();
        let last = lines[lines.len().saturating_sub(3)..].join(" ");
        if last.is_empty() { "it ended without an answer".to_owned() } else { last }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program with other arguments.
pub(crate) fn own(arguments: &[&str]) -> Command {
    wrapped(&[], arguments)
}

/// Like [`own`], but run by another program such as valgrind.
pub(crate) fn wrapped(wrapper: &[&str], arguments: &[&str]) -> Command {
    // Not the program's path: after a rebuild during a run, the rest of the run would measure another program.
    let this = format!("/proc/{}/exe", process::id());
    let mut words = wrapper.iter().copied().chain([this.as_str()]);
    let mut command = Command::new(words.next().expect("there is at least this program"));
    // The report quotes the last line of a child's error output, which should be the reason and not a backtrace.
    command.args(words).args(arguments).env("RUST_BACKTRACE", "0");
    command
}

/// Calls `start` on `core`, since a child inherits the cores of the thread that starts it.
fn on_core<T>(core: usize, start: impl FnOnce() -> T) -> T {
    let usual = sched_getaffinity(None).expect("a thread's cores are known");
    if pinning() {
        let mut only = CpuSet::new();
        only.set(core);
        // If cores cannot be chosen, the figures are noisier, and the report does not mention cores.
        let _ = sched_setaffinity(None, &only);
    }
    let started = start();
    let _ = sched_setaffinity(None, &usual);
    started
}

pub(crate) fn pinning() -> bool {
    available_parallelism().map_or(1, usize::from) > LOAD_CORE
}

/// Whether this process is the load, and has a core that no other process of the run uses.
pub(crate) fn has_load_core() -> bool {
    let cores = sched_getaffinity(None).expect("a thread's cores are known");
    cores.count() == 1 && cores.is_set(LOAD_CORE)
}

pub(crate) fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| Path::new(&directory).join(program).exists())
}

/// Lets this process and its children have as many descriptors as the kernel allows. Returns that number.
pub(crate) fn raise_descriptor_limit() -> u64 {
    const WANTED: u64 = 65_536;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // A privileged process raises the hard limit, too.
    let raised = Rlimit { current: Some(WANTED), maximum: Some(WANTED) };
    if maximum.is_some_and(|maximum| maximum < WANTED) && setrlimit(Resource::Nofile, raised).is_ok() {
        return WANTED;
    }
    let allowed = maximum.unwrap_or(WANTED).min(WANTED);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum });
    allowed
}

/// The CPU time of all threads of a process, in nanoseconds.
pub(crate) fn cpu_time(process: u32) -> u64 {
    threads(process).iter().map(|(on_core, _)| on_core).sum()
}

/// How long a runnable process waited for a core, in nanoseconds. Zero for a process with several threads, since they
/// may wait for each other, which says nothing about other programs.
pub(crate) fn waiting_time(process: u32) -> u64 {
    match threads(process)[..] {
        [(_, waiting)] => waiting,
        _ => 0,
    }
}

/// The CPU time of the current thread, in nanoseconds.
pub(crate) fn own_cpu_time() -> u64 {
    schedstat(Path::new("/proc/thread-self")).0
}

/// For each thread of a process, how long it ran, and how long it waited for a core.
fn threads(process: u32) -> Vec<(u64, u64)> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    threads.flatten().map(|thread| schedstat(&thread.path())).collect()
}

fn schedstat(thread: &Path) -> (u64, u64) {
    let text = std::fs::read_to_string(thread.join("schedstat")).expect("the kernel keeps schedstat");
    let mut numbers = text.split_whitespace().map(|number| number.parse().expect("schedstat consists of numbers"));
    let mut next = || numbers.next().expect("schedstat begins with the time on a core and the time without");
    (next(), next())
}
