//! A dump for another thread.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use super::LoopDump;
use crate::event_loop::{RemoteHandle, get_running_loop};

impl RemoteHandle {
    /// What the loop is doing, as [`LoopHandle::dump_tasks`](crate::LoopHandle::dump_tasks) says, for another thread, such
    /// as one that watches over the loop. It waits for at most `patience`, which blocks.
    ///
    /// # Errors
    ///
    /// [`NoDump::Closed`] if the loop is closed, [`NoDump::Stalled`] if it takes no turn in this time: a step or a
    /// callback blocks its thread, or nobody runs it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterwheel::{get_running_loop, to_thread};
    ///
    /// waterwheel::run(async {
    ///     let remote = get_running_loop().remote();
    ///     let dump = to_thread(move || remote.dump(Duration::from_secs(1))).await.unwrap().unwrap();
    ///     assert_eq!(dump.tasks[0].waits[0].what, "to_thread");
    /// });
    /// ```
    pub fn dump(&self, patience: Duration) -> Result<LoopDump, NoDump> {
        if let Some(event_loop) = self.as_running() {
            return Ok(event_loop.dump_tasks());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let answer = move || {
            // Nobody listens any more if the patience is over.
            let _ = sender.send(get_running_loop().dump_tasks());
        };
        if !self.call_soon(answer) {
            return Err(NoDump::Closed);
        }
        receiver.recv_timeout(patience).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => NoDump::Stalled,
            mpsc::RecvTimeoutError::Disconnected => NoDump::Closed,
        })
    }
}

/// Why another thread got no dump of a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoDump {
    /// The loop is closed.
    Closed,
    /// The loop has not taken a turn.
    Stalled,
}

impl fmt::Display for NoDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoDump::Closed => "the event loop is closed",
            NoDump::Stalled => "the event loop has taken no turn: something blocks its thread, or nobody runs it",
        })
    }
}

impl Error for NoDump {}

impl From<NoDump> for io::Error {
    fn from(error: NoDump) -> Self {
        let kind = match error {
            NoDump::Closed => io::ErrorKind::NotConnected,
            NoDump::Stalled => io::ErrorKind::TimedOut,
        };
        io::Error::new(kind, error)
    }
}
