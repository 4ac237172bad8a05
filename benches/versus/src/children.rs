//! Child processes: this program again, on a core of its own.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread::available_parallelism;

/// Where servers and measurements of tasks run.
pub(crate) const MEASURED_CORE: usize = 0;
/// Where the load is made.
pub(crate) const LOAD_CORE: usize = 1;

/// A child that is ended when this is dropped.
pub(crate) struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the child starts");
        let output = BufReader::new(child.stdout.take().expect("its output is piped"));
        Running { child, output }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that the child prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the child's output is text");
        assert!(!line.is_empty(), "a child ended without an answer");
        line.trim_end().to_owned()
    }

    /// Waits until the child ends by itself.
    pub(crate) fn finish(mut self) {
        let status = self.child.wait().expect("the child can be waited for");
        assert!(status.success(), "a child failed: {status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program with other arguments, on `core` if cores can be chosen here, with as many descriptors as are allowed.
pub(crate) fn own(core: usize, arguments: &[&str]) -> Command {
    wrapped(core, &[], arguments)
}

/// As [`own`], run by another program such as valgrind.
pub(crate) fn wrapped(core: usize, wrapper: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -n "$(ulimit -Hn)"; exec "$@""#, "sh"]);
    if pinning() {
        command.args(["taskset", "-c", &core.to_string()]);
    }
    command.args(wrapper).arg(env::current_exe().expect("this program has a path")).args(arguments);
    command
}

pub(crate) fn pinning() -> bool {
    static PINNING: OnceLock<bool> = OnceLock::new();
    *PINNING.get_or_init(|| {
        let cores = available_parallelism().map_or(1, usize::from);
        cores > LOAD_CORE && is_installed("taskset")
    })
}

pub(crate) fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| Path::new(&directory).join(program).exists())
}

/// The CPU time of a process's first thread, in nanoseconds; all that is measured here has one thread.
pub(crate) fn cpu_time(process: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).expect("the kernel keeps schedstat");
    let first = text.split_whitespace().next().expect("schedstat begins with the time on the CPU");
    first.parse().expect("which is a number")
}
