//! SIGQUIT in debug mode prints what the loop does, and the program goes on.
//!
//! A signal goes to the whole process. So each case is a child process: this program again, told to run one of the
//! ignored tests below.

use std::env;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use waterwheel::{Promise, get_running_loop, spawn, to_thread, yield_now};

use crate::common::processes::{Process, signal, until};

/// Printed by a child that is ready for the signal.
const READY: &str = "ready for the signal";

/// Starts one of the ignored tests, and returns when it is ready.
fn start(test: &str, debug: &str) -> Process {
    // A process that a shell runs in the background ignores the signal, and so would its children.
    let mut command = Command::new("env");
    command.arg("--default-signal=QUIT").arg(env::current_exe().expect("a test knows its own path"));
    let test = format!("quit::{test}");
    command.args(["--exact", &test, "--ignored", "--nocapture"]).env("WATERWHEEL_DEBUG", debug);
    let process = Process::start(&mut command);
    while !process.line().expect("it says when it is ready").contains(READY) {}
    process
}

/// Waits until standard input is closed.
fn end_of_input() {
    std::io::stdin().read_to_end(&mut Vec::new()).expect("it can be read");
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn waits() {
    waterwheel::run(async {
        let promise = Promise::<()>::new();
        spawn(async move { promise.wait().await }).set_name("waiter");
        yield_now().await;
        println!("{READY}");
        to_thread(end_of_input).await.unwrap();
    });
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn blocks() {
    waterwheel::run(async {
        yield_now().await;
        println!("{READY}");
        end_of_input();
    });
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn switches_it_on_while_it_runs() {
    waterwheel::run(async {
        get_running_loop().set_debug(true);
        println!("{READY}");
        to_thread(end_of_input).await.unwrap();
    });
}

#[test]
fn sigquit_prints_a_dump_each_time_and_the_program_goes_on() {
    let process = start("waits", "1");
    let dumps = || process.errors().matches("SIGQUIT: what the event loop is doing\ntasks: 2\n").count();
    for times in 1..=2 {
        assert!(signal(process.child.id(), "QUIT"));
        until("the dump is there", || {
            dumps() == times && process.errors().matches("work on threads: 1\n").count() == times
        });
    }
    assert!(process.errors().contains("\"waiter\", spawned at "), "{}", process.errors());
    assert!(process.errors().contains("waits for a promise at tests/programs/quit.rs:"), "{}", process.errors());
    let (status, lines, _) = process.finish();
    assert!(status.success(), "{lines:?}");
}

#[test]
fn of_a_loop_that_is_stuck_it_prints_which_step_that_is() {
    let process = start("blocks", "1");
    assert!(signal(process.child.id(), "QUIT"));
    let told = "SIGQUIT: the event loop has taken no turn: the main future has been running for 1.";
    until("the step is named", || process.errors().contains(told) && process.errors().ends_with('\n'));
    assert!(process.errors().contains(", from tests/programs/quit.rs:"), "{}", process.errors());
    assert!(process.finish().0.success());
}

#[test]
fn it_does_so_as_well_when_debug_mode_is_switched_on_later_and_ends_the_process_outside_of_it() {
    let process = start("switches_it_on_while_it_runs", "");
    assert!(signal(process.child.id(), "QUIT"));
    until("the dump is there", || process.errors().contains("work on threads: 1\n"));
    assert!(process.finish().0.success());
    let process = start("waits", "0");
    assert!(signal(process.child.id(), "QUIT"));
    let (status, _, errors) = process.finish();
    assert_eq!((status.signal(), errors.contains("SIGQUIT")), (Some(3), false), "{errors}");
}
