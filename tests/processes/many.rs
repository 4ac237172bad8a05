//! Many children, with few descriptors.

use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};
use waterwheel::{create_subprocess_exec, spawn};

use crate::command::{cat, state_of_child};
use crate::common::alone::run_alone;
use crate::common::descriptors::{open_descriptors, until_descriptors};

const CHILDREN: usize = 1_000;

/// How many live at once. Each holds two descriptors here.
const WAVE: usize = 25;

/// How many descriptors the process may have in addition to those that are open at first.
const DESCRIPTORS: usize = 64;

#[test]
fn a_thousand_children_come_in_waves_and_sixty_four_descriptors_do() {
    run_alone(|| async {
        let before = open_descriptors();
        let limit = Some((before + DESCRIPTORS) as u64);
        setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).unwrap();
        let mut pids = Vec::new();
        for wave in 0..CHILDREN / WAVE {
            let tasks: Vec<_> = (0..WAVE)
                .map(|number| {
                    let mut process = create_subprocess_exec(cat()).unwrap();
                    let pid = process.pid();
                    spawn(async move {
                        let text = format!("child {number} of wave {wave}");
                        let output = process.communicate(text.as_bytes()).await.unwrap();
                        assert!(output.status.success());
                        assert_eq!(output.stdout, text.as_bytes());
                        pid
                    })
                })
                .collect();
            for task in tasks {
                pids.push(task.await.unwrap());
            }
        }
        assert_eq!(pids.len(), CHILDREN);
        until_descriptors(before).await;
        assert_eq!(pids.iter().filter(|pid| state_of_child(**pid).is_some()).count(), 0);
    });
}

#[test]
fn a_child_for_which_no_descriptors_are_left_is_an_error_and_nothing_is_left_of_it() {
    run_alone(|| async {
        let before = open_descriptors();
        // Room for the socket pair by which the loop receives signals, and for one more descriptor.
        let limit = Rlimit { current: Some((before + 3) as u64), maximum: None };
        let all = rustix::process::getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { maximum: all.maximum, ..limit }).unwrap();
        let error = create_subprocess_exec(cat()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()), "{error}");
        setrlimit(Resource::Nofile, all).unwrap();
        assert_eq!(open_descriptors(), before);
        let mut command = Command::new("true");
        command.stdin(Stdio::null());
        assert!(create_subprocess_exec(command).unwrap().wait().await.unwrap().success());
    });
}
