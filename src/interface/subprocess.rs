//! The waist for child processes: their pipes, their end, and what may be done to them.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::rc::Rc;

use crate::errors::ConnectionError;
use crate::interface::Transport;

/// A standard stream of a child process that is a pipe to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChildPipe {
    /// Descriptor 0 of the child, which we write to.
    Stdin,
    /// Descriptor 1 of the child, which we read.
    Stdout,
    /// Descriptor 2 of the child, which we read.
    Stderr,
}

/// The receiver of a child process's events.
///
/// `connection_made` comes first and `connection_lost` last, exactly once each. Between them come, in any order:
///
/// * for each pipe that is read: `pipe_data_received*`, then `pipe_connection_lost`, once;
/// * for the pipe that is written: `pause_writing` and `resume_writing`, alternating, and `pipe_connection_lost`, once;
/// * `process_exited`, once. What the child wrote last may come after it.
///
/// `connection_lost` comes when the child has exited and all its pipes are lost. A process that the child has started,
/// and that has inherited a pipe, can keep that pipe open for longer than the child lives.
///
/// All callbacks come from the loop, never from inside a call of yours, but for `pause_writing` (from a write to the
/// child's standard input).
///
/// # Panics
///
/// A panic is reported to the loop's exception handler. One in a callback of a pipe loses that pipe, and
/// `pipe_connection_lost` comes with an error that says so. One in `connection_made` kills the child.
///
/// # Examples
///
/// [`LoopHandle::subprocess_exec`](crate::LoopHandle::subprocess_exec) has one.
pub trait SubprocessProtocol {
    /// The child runs. You may keep the transport.
    fn connection_made(&self, transport: Rc<dyn SubprocessTransport>) {
        let _ = transport;
    }

    /// The child wrote bytes to its standard output or its standard error, at least one.
    fn pipe_data_received(&self, pipe: ChildPipe, data: &[u8]) {
        let _ = (pipe, data);
    }

    /// A pipe is closed: by us, by the child, or with an error, such as `BrokenPipe` if the child has closed its standard
    /// input and bytes for it are left.
    fn pipe_connection_lost(&self, pipe: ChildPipe, error: Option<ConnectionError>) {
        let _ = (pipe, error);
    }

    /// The child has exited. [`SubprocessTransport::get_returncode`] says how.
    fn process_exited(&self) {}

    /// The child has exited, and its pipes are lost. The error is `None` unless the system could not say how the child
    /// has ended.
    fn connection_lost(&self, error: Option<ConnectionError>) {
        let _ = error;
    }

    /// The buffer of the child's standard input went over its high-water mark.
    fn pause_writing(&self) {}

    /// The buffer of the child's standard input went down to its low-water mark.
    fn resume_writing(&self) {}
}

/// What may be done to a child process. All methods take `&self`, and none blocks.
///
/// Dropping it neither kills the child nor closes its pipes. The loop waits for the child, so that no zombie is left.
#[doc(alias = "BaseSubprocessTransport")]
pub trait SubprocessTransport {
    /// The child's number. After the child has exited the system may give it to another process.
    fn get_pid(&self) -> u32;

    /// How the child has exited; `None` while it runs, and if the system could not say.
    fn get_returncode(&self) -> Option<ExitStatus>;

    /// The transport of a pipe; `None` if the child has no such pipe, and once the pipe is lost.
    fn get_pipe_transport(&self, pipe: ChildPipe) -> Option<Rc<dyn Transport>>;

    /// Sends a signal to the child.
    ///
    /// # Errors
    ///
    /// `NotFound` if the child has exited; asyncio's name for that is `ProcessLookupError`. A child that has exited but
    /// was not waited for yet takes any signal. `InvalidInput` if there is no such signal, or if it has no name, as a
    /// real-time signal. The system's error if we may not send to the child.
    #[doc(alias = "ProcessLookupError")]
    fn send_signal(&self, signal: i32) -> io::Result<()>;

    /// Asks the child to end, by the signal `SIGTERM`.
    ///
    /// # Errors
    ///
    /// As [`send_signal`](SubprocessTransport::send_signal).
    fn terminate(&self) -> io::Result<()> {
        self.send_signal(libc::SIGTERM)
    }

    /// Ends the child, by the signal `SIGKILL`.
    ///
    /// # Errors
    ///
    /// As [`send_signal`](SubprocessTransport::send_signal).
    fn kill(&self) -> io::Result<()> {
        self.send_signal(libc::SIGKILL)
    }

    /// Closes all pipes, and kills the child if it runs. What was written to its standard input still goes there, as far
    /// as the child takes it before it is gone.
    fn close(&self);

    /// Whether [`close`](SubprocessTransport::close) was called.
    fn is_closing(&self) -> bool;
}

impl fmt::Debug for dyn SubprocessTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubprocessTransport")
            .field("pid", &self.get_pid())
            .field("returncode", &self.get_returncode())
            .field("stdin", &self.get_pipe_transport(ChildPipe::Stdin))
            .field("stdout", &self.get_pipe_transport(ChildPipe::Stdout))
            .field("stderr", &self.get_pipe_transport(ChildPipe::Stderr))
            .field("closing", &self.is_closing())
            .finish()
    }
}
