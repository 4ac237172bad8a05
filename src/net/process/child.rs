//! A child process as its loop sees it, from its start until it was waited for.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::process::{self, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::rc::Rc;

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::SIGCHLD;

use crate::errors::{ConnectionError, loop_is_closed};
use crate::event_loop::LoopHandle;
use crate::net::process::orphans;
use crate::promise::Promise;
use crate::signals::Signals;

/// A child process. It is shared by whoever has started it and a task of the loop, so that it is waited for also if nobody
/// else wants to know of it any more.
pub(crate) struct Child {
    pid: u32,
    /// `None` once somebody has waited for the child. The system may give its number to another process then, so nothing
    /// is sent to it any more.
    running: RefCell<Option<process::Child>>,
    /// How it has ended, or why nobody will know.
    ended: Promise<Result<ExitStatus, ConnectionError>>,
}

/// Our ends of the child's standard streams, as far as they are pipes.
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
        // Before the child is started, since it may end at once.
        let ends = Signals::of(event_loop, &[SIGCHLD])?;
        let mut started = command.spawn()?;
        let pipes = Pipes { stdin: started.stdin.take(), stdout: started.stdout.take(), stderr: started.stderr.take() };
        let child = Rc::new(Child { pid: started.id(), running: RefCell::new(Some(started)), ended: Promise::new() });
        drop(event_loop.create_task(Watched(Rc::clone(&child)).until_ended(ends)));
        Ok((child, pipes))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How the child has ended. `None` while it runs, and if nobody knows.
    pub(crate) fn returncode(&self) -> Option<ExitStatus> {
        self.ended.get()?.as_ref().ok().copied()
    }

    /// Set when the child has ended.
    pub(crate) fn ended(&self) -> &Promise<Result<ExitStatus, ConnectionError>> {
        &self.ended
    }

    /// Sends a signal, unless the child has ended.
    pub(crate) fn send_signal(&self, signal: i32) -> io::Result<()> {
        let Some(signal) = Signal::from_named_raw(signal) else {
            let text = format!("there is no signal {signal}, or it has no name");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        let running = self.running.borrow();
        let Some(child) = &*running else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the child process has exited"));
        };
        Ok(kill_process(Pid::from_child(child), signal)?)
    }

    /// Kills the child. If it has ended already, that is all right.
    pub(crate) fn kill_if_running(&self) {
        if let Some(child) = &mut *self.running.borrow_mut() {
            if let Err(error) = child.kill() {
                log::debug!("the child process {} cannot be killed: {error}", self.pid);
            }
        }
    }

    /// Asks the system whether the child has ended. Returns whether there is nothing more to wait for.
    fn look(&self) -> bool {
        let outcome = match self.running.borrow_mut().as_mut().map(process::Child::try_wait) {
            Some(Ok(None)) => return false,
            Some(Ok(Some(status))) => Ok(status),
            // Somebody else has waited for it.
            Some(Err(error)) => Err(error.into()),
            None => return true,
        };
        self.set_ended(outcome);
        true
    }

    fn set_ended(&self, outcome: Result<ExitStatus, ConnectionError>) {
        drop(self.running.take());
        // Only the owner of `Watched` sets it, and once.
        let _ = self.ended.set(outcome);
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
            if self.0.look() {
                return;
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let left = self.0.running.take();
        if let Some(child) = left {
            self.0.set_ended(Err(loop_is_closed().into()));
            orphans::adopt(child);
        }
    }
}
