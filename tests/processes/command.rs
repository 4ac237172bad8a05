//! The child processes of these tests, and what the system reports about them.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::until::until;

/// A shell command, with three pipes.
pub(crate) fn shell(text: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", text]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Repeats its input until the input ends.
pub(crate) fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Lives until it is killed, or far longer than the tests take.
pub(crate) fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600").stdin(Stdio::null());
    command
}

/// The state letter of a child of this process, `Z` for a zombie. `None` if there is no such child.
pub(crate) fn state_of_child(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let (state, parent) = (fields.next()?.chars().next()?, fields.next()?);
    // The pid may already belong to another process.
    (parent == std::process::id().to_string()).then_some(state)
}

/// Waits until a child has been reaped.
pub(crate) async fn until_gone(pid: u32) {
    until("the child was waited for", || state_of_child(pid).is_none()).await;
}
