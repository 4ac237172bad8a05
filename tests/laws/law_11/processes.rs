//! Futures that wait for child processes.

use std::process::{Command, Stdio};
use std::rc::Rc;

use waterwheel::{SubprocessProtocol, create_subprocess_exec, get_running_loop};

use super::moments::{drop_at, drop_while};
use super::{Row, rows};

pub(super) const ROWS: &[Row] = rows![
    "LoopHandle::subprocess_exec" => async |moment| {
        let handle = get_running_loop();
        let started = drop_at(moment, handle.subprocess_exec(|| Rc::new(Quiet), Command::new("true"))).await;
        started.map(|started| started.unwrap().0.close()).is_some()
    },
    "Process::wait" => async |moment| {
        let mut child = create_subprocess_exec(cat()).unwrap();
        let stdin = child.stdin.take();
        let is_done = drop_while(moment, child.wait(), async move { drop(stdin) }).await.is_some();
        assert!(child.wait().await.unwrap().success());
        is_done
    },
    "Process::communicate" => async |moment| {
        let mut child = create_subprocess_exec(cat()).unwrap().kill_on_drop();
        let output = drop_at(moment, child.communicate(b"round and round")).await;
        output.map(|output| assert_eq!(output.unwrap().stdout, b"round and round")).is_some()
    },
];

/// Prints its input, and ends with it.
fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Ignores all callbacks.
struct Quiet;

impl SubprocessProtocol for Quiet {}
