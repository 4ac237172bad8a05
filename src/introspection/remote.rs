//! A dump for another thread.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::mpsc;
use std::time::Duration;

use super::LoopDump;
use super::words::Time;
use crate::event_loop::{RemoteHandle, Stuck, get_running_loop};

impl RemoteHandle {
    /// What the loop is doing, as in [`LoopHandle::dump_tasks`](crate::LoopHandle::dump_tasks), but for another
    /// thread, such as a watchdog. Blocks for at most `patience`.
    ///
    /// # Errors
    ///
    /// [`NoDump::Closed`] if the loop is closed, and [`NoDump::Stalled`] if it takes no turn in this time because a
    /// step blocks its thread or because it is not being run. The error says which step is running, for how long, and
    /// from which line; in [debug mode](crate::LoopHandle::set_debug) also the name of its task.
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
            // The receiver is gone if the patience is over.
            let _ = sender.send(get_running_loop().dump_tasks());
        };
        if !self.call_soon(answer) {
            return Err(NoDump::Closed);
        }
        receiver.recv_timeout(patience).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => NoDump::Stalled(self.stuck_step().map(RunningStep::from)),
            mpsc::RecvTimeoutError::Disconnected => NoDump::Closed,
        })
    }
}

/// Why another thread could not get a dump of a loop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoDump {
    /// The loop is closed.
    Closed,
    /// The loop has not taken a turn, since this step is running. `None` if no step is: then the loop is not being
    /// run.
    Stalled(Option<RunningStep>),
}

/// The step that a stalled loop is running.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningStep {
    /// The kind of step, such as `a task` or `a callback`; in debug mode with a name, such as `task "reader"`.
    pub what: String,
    /// The line that spawned the task or scheduled the callback. `None` for an event of a connection, and, unless in
    /// debug mode, for a task whose future is being dropped.
    pub at: Option<&'static Location<'static>>,
    /// How long it has been running, by the system's clock. Without debug mode, steps are not timed, so this counts
    /// from the beginning of the turn and may include earlier steps of that turn, and it is meaningless if the loop
    /// has [another clock](crate::Builder::clock).
    pub running_for: Duration,
}

impl From<Stuck> for RunningStep {
    fn from(Stuck { what, at, running_for }: Stuck) -> Self {
        RunningStep { what, at, running_for }
    }
}

impl fmt::Display for RunningStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has been running for {}", self.what, Time(self.running_for))?;
        self.at.map_or(Ok(()), |at| write!(f, ", from {at}"))
    }
}

impl fmt::Display for NoDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoDump::Closed => f.write_str("the event loop is closed"),
            NoDump::Stalled(Some(step)) => write!(f, "the event loop has taken no turn: {step}"),
            NoDump::Stalled(None) => f.write_str("the event loop has taken no turn: it is not being run"),
        }
    }
}

impl Error for NoDump {}

impl From<NoDump> for io::Error {
    fn from(error: NoDump) -> Self {
        let kind = match error {
            NoDump::Closed => io::ErrorKind::NotConnected,
            NoDump::Stalled(_) => io::ErrorKind::TimedOut,
        };
        io::Error::new(kind, error)
    }
}
