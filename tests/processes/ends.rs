//! Waiting for children: no child is left a zombie, and none is killed unless that was asked for.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::rc::Rc;

use signal_hook::consts::{SIGCHLD, SIGKILL};
use waterwheel::{
    ConnectionError, EventLoop, SubprocessProtocol, SubprocessTransport, create_subprocess_exec, get_running_loop,
    signal_hook, signals, spawn, yield_now,
};

use crate::command::{cat, sleeper, state_of_child, until_gone};
use crate::common::alone::run_alone;
use crate::common::descriptors::open_descriptors;
use crate::common::running::{run, turns};
use crate::common::until::until;

#[test]
fn a_child_whose_handle_is_dropped_goes_on_and_leaves_no_zombie() {
    run(async {
        // The child ends when its input does, and `held` keeps the input open.
        let (input, held) = UnixStream::pair().unwrap();
        let mut command = Command::new("cat");
        command.stdin(OwnedFd::from(input)).stdout(Stdio::null());
        let process = create_subprocess_exec(command).unwrap();
        let pid = process.pid();
        drop(process);
        turns(20).await;
        assert!(matches!(state_of_child(pid), Some(state) if state != 'Z'), "it goes on");
        drop(held);
        until_gone(pid).await;
    });
}

#[test]
fn a_child_is_killed_with_its_handle_if_that_was_asked_for() {
    run(async {
        let process = create_subprocess_exec(sleeper()).unwrap().kill_on_drop();
        let pid = process.pid();
        drop(process);
        until_gone(pid).await;
        // A child that has already ended is left alone.
        let mut process = create_subprocess_exec(cat()).unwrap().kill_on_drop();
        assert!(process.wait().await.unwrap().success());
        drop(process);
    });
}

#[test]
fn a_child_that_outlives_its_loop_is_waited_for() {
    let (input, held) = UnixStream::pair().unwrap();
    let mut pids = Vec::new();
    for _ in 0..3 {
        let pid = waterwheel::run(async {
            let mut command = Command::new("cat");
            command.stdin(OwnedFd::from(input.try_clone().unwrap())).stdout(Stdio::null());
            create_subprocess_exec(command).unwrap().pid()
        });
        assert!(state_of_child(pid).is_some_and(|state| state != 'Z'), "it goes on");
        pids.push(pid);
    }
    drop((input, held));
    run(async {
        for pid in pids {
            until_gone(pid).await;
        }
    });
}

#[test]
fn a_child_is_killed_with_its_handle_also_when_that_is_dropped_by_the_end_of_the_loop() {
    let pid = waterwheel::run(async {
        let process = create_subprocess_exec(sleeper()).unwrap().kill_on_drop();
        let pid = process.pid();
        spawn(async move {
            let _process = process;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        pid
    });
    run(until_gone(pid));
}

#[test]
fn waiting_for_a_child_whose_loop_is_closed_is_an_error() {
    let mut process = waterwheel::run(async { create_subprocess_exec(sleeper()).unwrap() });
    let pid = process.pid();
    assert_eq!(process.returncode(), None);
    let error = run(async { process.wait().await }).unwrap_err();
    assert_eq!(error.to_string(), "the event loop is closed");
    // Signals still reach the child.
    process.kill().unwrap();
    run(until_gone(pid));
    assert_eq!(process.kill().unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_loop_that_is_closed_holds_no_protocol() {
    #[derive(Default)]
    struct Holds(RefCell<Option<Rc<dyn SubprocessTransport>>>);
    impl SubprocessProtocol for Holds {
        fn connection_made(&self, transport: Rc<dyn SubprocessTransport>) {
            self.0.replace(Some(transport));
        }
        fn connection_lost(&self, _error: Option<ConnectionError>) {
            panic!("a loop that is closed calls nobody");
        }
    }
    let protocol = waterwheel::run(async {
        let (_, protocol) = get_running_loop().subprocess_exec(Rc::<Holds>::default, cat()).await.unwrap();
        protocol
    });
    assert_eq!(Rc::strong_count(&protocol), 1);
    let error = waterwheel::run(async {
        let other = EventLoop::new().unwrap().handle();
        other.subprocess_exec(Rc::<Holds>::default, cat()).await.map(drop).unwrap_err()
    });
    assert_eq!(error.to_string(), "the event loop is closed");
}

#[test]
fn nothing_is_left_of_a_child() {
    run_alone(|| async {
        let before = open_descriptors();
        for _ in 0..3 {
            let output = create_subprocess_exec(cat()).unwrap().communicate(b"hello").await.unwrap();
            assert_eq!(output.stdout, b"hello");
            until("all descriptors are closed", || open_descriptors() == before).await;
        }
    });
}

#[test]
fn others_hear_of_children_too_and_their_children_are_left_to_them() {
    run_alone(|| async {
        let mut heard = signals(&[SIGCHLD]).unwrap();
        // A child that the loop did not start. Its end makes the loop check its own children.
        let mut theirs = sleeper().spawn().unwrap();
        let mut ours = create_subprocess_exec(sleeper()).unwrap();
        theirs.kill().unwrap();
        assert_eq!(heard.next().await, SIGCHLD);
        turns(5).await;
        assert_eq!(ours.returncode(), None);
        assert_eq!(theirs.wait().unwrap().signal(), Some(SIGKILL));
        ours.kill().unwrap();
        assert_eq!(ours.wait().await.unwrap().signal(), Some(SIGKILL));
        assert_eq!(heard.next().await, SIGCHLD);
    });
}

#[test]
fn loops_in_several_threads_have_children_of_their_own() {
    let threads: Vec<_> = (0..4)
        .map(|number: u8| {
            std::thread::spawn(move || {
                run(async {
                    for round in 0..20 {
                        let mut command = Command::new("sh");
                        command.args(["-c", &format!("exit {}", number * 20 + round)]);
                        let status = create_subprocess_exec(command).unwrap().wait().await.unwrap();
                        assert_eq!(status.code(), Some(i32::from(number * 20 + round)));
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}
