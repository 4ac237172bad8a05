//! The program that is disturbed, and how it may end.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use crate::common::certificates::Authority;
use crate::common::processes::Process;
use crate::servers::example;

/// A file name that is unique in this test run.
pub(crate) fn scratch(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("faults-{}-{number}-{name}", std::process::id()))
}

/// The directory with the authority's certificate, and the server's chain and key.
fn identity() -> &'static PathBuf {
    static IDENTITY: OnceLock<PathBuf> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let (authority, directory) = (Authority::new(), scratch("identity"));
        let identity = authority.sign(&["localhost"]);
        fs::create_dir(&directory).expect("the name is free");
        for (name, text) in [("ca.pem", &authority.pem), ("chain.pem", &identity.chain), ("key.pem", &identity.key)] {
            fs::write(directory.join(name), text).expect("it can be written");
        }
        directory
    })
}

/// A command that runs `before`, and in it the driver.
pub(crate) fn driver(before: &[&str], arguments: &[&str]) -> Command {
    let program = example("faults_driver");
    let mut command = match before {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command.args(arguments).env("FAULTS_IDENTITY", identity()).env_remove("RUST_LOG");
    // Debug mode makes calls of its own, and its thread may tear the lines of other calls in strace's log in two.
    command.env_remove("WATERWHEEL_DEBUG");
    command
}

/// How a driver ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) said: String,
    pub(crate) errors: String,
}

impl Ended {
    #[track_caller]
    pub(crate) fn run(command: &mut Command) -> Ended {
        let (status, said, errors) = Process::start(command).finish();
        Ended { status, said: said.join("\n"), errors }
    }

    /// Whether it ended in order: without a panic, a signal, a hang or wrong bytes.
    pub(crate) fn in_order(&self) -> bool {
        matches!(self.status.code(), Some(0 | 1)) && !self.errors.contains("panicked")
    }

    /// How many conversations ended in this way. See `Tally` in the driver.
    pub(crate) fn count(&self, what: &str) -> u64 {
        let words: Vec<&str> = self.said.split([' ', ',', '\n']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().rposition(|&word| word == what);
        let count = at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok());
        count.unwrap_or_else(|| panic!("nothing is said of {what}: {self:?}"))
    }
}

/// Does each piece of work once, two at a time, and returns the results in any order.
pub(crate) fn two_at_a_time<W: Send, A: Send>(work: Vec<W>, act: impl Fn(W) -> A + Sync) -> Vec<A> {
    let work = std::sync::Mutex::new(work.into_iter());
    let next = || work.lock().expect("nobody panics with it").next();
    let worker = || std::iter::from_fn(next).map(&act).collect::<Vec<A>>();
    thread::scope(|scope| {
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().flat_map(|worker| worker.join().expect("no work failed")).collect()
    })
}
