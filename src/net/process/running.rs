//! The system's side of a child process: asking whether it has ended, and sending it signals.

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process};

/// A child, whether it has been waited for or not. Behind a lock, since it outlives the loop whose child it is, and
/// then another thread waits for it.
///
/// `None` once the child has been waited for. Then the system may give its process ID to another process, so no more
/// signals are sent.
pub(super) struct Running(Mutex<Option<Child>>);

impl Running {
    pub(super) fn new(child: Child) -> Self {
        Running(Mutex::new(Some(child)))
    }

    /// Asks the system whether the child has ended. `None` while it runs. The outcome is returned once, and then an
    /// error.
    pub(super) fn ended(&self) -> Option<io::Result<ExitStatus>> {
        let mut running = self.lock();
        let ended = running.as_mut().map_or_else(|| Err(has_exited()), Child::try_wait).transpose()?;
        *running = None;
        // An error means that other code has waited for the child.
        Some(ended)
    }

    pub(super) fn send_signal(&self, signal: Signal) -> io::Result<()> {
        match &*self.lock() {
            Some(child) => Ok(kill_process(Pid::from_child(child), signal)?),
            None => Err(has_exited()),
        }
    }

    /// Nothing panics under this lock.
    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_exited() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the child process has exited")
}
