//! A test in a process of its own, for what concerns a whole process: open descriptors, memory, the working directory.

use std::process::{Command, Stdio};
use std::{env, panic, thread};

use crate::common::watchdog::watchdog;

/// Set in the environment of a process that runs one test. `tests/valgrind.sh` sets it too, so that a test runs where
/// valgrind sees it, and so does `.ci/run` where the output of a test is needed.
const ALONE: &str = "WATERWHEEL_ALONE";

/// Runs a test while no other test runs in its process, and on a new thread.
///
/// The harness runs the tests of a program side by side. So the whole test is run again in a child process that runs
/// no other test, and passes if it passes there. Code of the test outside of this call runs in both processes.
#[track_caller]
pub(crate) fn alone(test: impl FnOnce() + Send + 'static) {
    if env::var_os(ALONE).is_some() {
        let _watchdog = watchdog();
        return thread::spawn(test).join().unwrap_or_else(|payload| panic::resume_unwind(payload));
    }
    let this = thread::current();
    let name = this.name().expect("the harness names the thread of a test after the test");
    let mut command = Command::new(env::current_exe().expect("a test knows its own path"));
    command.args(["--exact", name, "--nocapture"]).env(ALONE, "1").stdin(Stdio::null());
    // The counts and measurements are those of a plain loop: debug mode has a thread and descriptors of its own.
    command.env_remove("WATERWHEEL_DEBUG");
    let output = command.output().expect("a test program can be run");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let passed = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(passed, "in a process of its own, {}:\n{said}\n{errors}", output.status);
}

/// Like [`alone`], for a test that is a coroutine.
pub(crate) fn run_alone<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    alone(move || waterwheel::run(test()));
}
