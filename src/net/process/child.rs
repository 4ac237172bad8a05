//! A child process as its loop sees it, from its start until it has been waited for.

use std::fmt;
use std::io;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::rc::Rc;
use std::sync::Arc;

use rustix::process::Signal;
use signal_hook::consts::SIGCHLD;

use crate::errors::{ConnectionError, loop_is_closed};
use crate::event_loop::LoopHandle;
use crate::net::process::orphans;
use crate::net::process::running::Running;
use crate::promise::Promise;
use crate::signals::Signals;

/// A child process. It is shared by the code that started it and a task of the loop, so that it is waited for even if
/// that code has dropped it.
pub(crate) struct Child {
    pid: u32,
    running: Arc<Running>,
    /// How the child has ended, or why that cannot be known.
    ended: Promise<Result<ExitStatus, ConnectionError>>,
}

/// Our ends of those standard streams of the child that are pipes.
pub(crate) struct Pipes {
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
}

impl Child {
    /// Starts a child. A task of the loop waits for it.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, or if the loop is closed.
    pub(crate) fn start(event_loop: &LoopHandle, command: &mut Command) -> io::Result<(Rc<Child>, Pipes)> {
        // Made before the child is started, since the child may end at once.
        let ends = Signals::of(event_loop, &[SIGCHLD])?;
        let mut started = command.spawn()?;
        let pipes = Pipes { stdin: started.stdin.take(), stdout: started.stdout.take(), stderr: started.stderr.take() };
        let child =
            Rc::new(Child { pid: started.id(), running: Arc::new(Running::new(started)), ended: Promise::new() });
        drop(event_loop.create_task(Watched(Rc::clone(&child)).until_ended(ends)));
        Ok((child, pipes))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How the child has ended. `None` while it runs, or if that cannot be known.
    pub(crate) fn returncode(&self) -> Option<ExitStatus> {
        self.ended.get()?.as_ref().ok().copied()
    }

    /// Set when the child has ended.
    pub(crate) fn ended(&self) -> &Promise<Result<ExitStatus, ConnectionError>> {
        &self.ended
    }

    /// Sends a signal, unless the child has ended and was waited for.
    pub(crate) fn send_signal(&self, signal: i32) -> io::Result<()> {
        let Some(signal) = Signal::from_named_raw(signal) else {
            let text = format!("there is no signal {signal}, or it has no name");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        self.running.send_signal(signal)
    }

    /// Kills the child, unless it has ended already.
    pub(crate) fn kill_if_running(&self) {
        match self.running.send_signal(Signal::KILL) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::debug!("the child process {} cannot be killed: {error}", self.pid);
            }
            _ => {}
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("pid", &self.pid).field("ended", &self.ended.get()).finish()
    }
}

/// A child that the loop waits for. If this is dropped before the child has ended, the loop is being closed, and the
/// child becomes an orphan.
struct Watched(Rc<Child>);

impl Watched {
    async fn until_ended(self, mut ends: Signals) {
        loop {
            ends.next().await;
            if let Some(outcome) = self.0.running.ended() {
                self.set_ended(outcome.map_err(ConnectionError::from));
                return;
            }
        }
    }

    fn set_ended(&self, outcome: Result<ExitStatus, ConnectionError>) {
        // It was not set before: this is called once, at the child's end or when `self` is dropped.
        let _ = self.0.ended.set(outcome);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.0.ended.is_set() {
            self.set_ended(Err(loop_is_closed().into()));
            orphans::adopt(Arc::clone(&self.0.running));
        }
    }
}
