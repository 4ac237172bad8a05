//! The children of these tests, and what the system knows of them.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::until::until;

/// A command of the shell, with three pipes.
pub(crate) fn shell(text: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", text]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Repeats its input, until that ends.
pub(crate) fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Lives until it is killed, or until the tests are over by far.
pub(crate) fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("600").stdin(Stdio::null());
    command
}

/// The letter of the state of a child of ours, `Z` for a zombie; `None` if it is gone.
pub(crate) fn state_of_child(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let (state, parent) = (fields.next()?.chars().next()?, fields.next()?);
    // The number may be another process's by now.
    (parent == std::process::id().to_string()).then_some(state)
}

/// Waits until a child was waited for.
pub(crate) async fn until_gone(pid: u32) {
    until("the child was waited for", || state_of_child(pid).is_none()).await;
}
