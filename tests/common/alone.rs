//! A test in a process of its own, for what belongs to a whole process: descriptors that are counted, memory that is
//! measured, the working directory.

use std::process::{Command, Stdio};
use std::{env, panic, thread};

use crate::common::watchdog::watchdog;

/// Set in the environment of a process that runs one test. tests/valgrind.sh sets it too, to have a test run where valgrind
/// sees it, and `.ci/run` where what a test prints is to be seen.
const ALONE: &str = "WATERWHEEL_ALONE";

/// Runs a test while no other test runs in its process, and on a new thread.
///
/// The harness runs the tests of a program side by side. So the whole test is run again, by a child process that runs
/// no other, and passes if it passes there. What the test does beside this call is done in both processes.
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
    // What is counted or measured is that of a plain loop: debug mode has a thread and descriptors of its own.
    command.env_remove("WATERWHEEL_DEBUG");
    let output = command.output().expect("a test program can be run");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let passed = output.status.success() && said.contains("test result: ok. 1 passed");
    assert!(passed, "in a process of its own, {}:\n{said}\n{errors}", output.status);
}

/// As [`alone`], for a test that is a coroutine.
pub(crate) fn run_alone<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    alone(move || waterwheel::run(test()));
}
