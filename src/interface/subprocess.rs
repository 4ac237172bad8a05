//! The waist for child processes: their pipes, their exit, and the operations on them.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::rc::Rc;

use crate::errors::ConnectionError;
use crate::interface::Transport;

/// A standard stream of a child process that is connected to us by a pipe.
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
/// * `process_exited`, once. The child's last output may come after it.
///
/// `connection_lost` comes when the child has exited and all its pipes are lost. A process that the child started and
/// that inherited a pipe can keep that pipe open after the child has exited.
///
/// All callbacks come from the loop, never from inside a call of yours, except `pause_writing` (from inside a write to
/// the child's standard input).
///
/// # Panics
///
/// A panic is reported to the loop's exception handler. A panic in a pipe's callback loses that pipe, and
/// `pipe_connection_lost` comes with an error that says so. A panic in `connection_made` kills the child.
///
/// # Examples
///
/// [`LoopHandle::subprocess_exec`](crate::LoopHandle::subprocess_exec) has one.
pub trait SubprocessProtocol {
    /// The child is running. You may keep the transport.
    fn connection_made(&self, transport: Rc<dyn SubprocessTransport>) {
        let _ = transport;
    }

    /// The child wrote at least one byte to its standard output or its standard error.
    fn pipe_data_received(&self, pipe: ChildPipe, data: &[u8]) {
        let _ = (pipe, data);
    }

    /// A pipe is closed: by us, by the child, or because of an error, such as `BrokenPipe` if the child closed its
    /// standard input before it took all the bytes.
    fn pipe_connection_lost(&self, pipe: ChildPipe, error: Option<ConnectionError>) {
        let _ = (pipe, error);
    }

    /// The child has exited. [`SubprocessTransport::get_returncode`] says how.
    fn process_exited(&self) {}

    /// The child has exited, and its pipes are lost. The error is `None` unless the system could not say how the child
    /// exited.
    fn connection_lost(&self, error: Option<ConnectionError>) {
        let _ = error;
    }

    /// The buffer of the child's standard input rose above its high-water mark.
    fn pause_writing(&self) {}

    /// The buffer of the child's standard input fell to its low-water mark.
    fn resume_writing(&self) {}
}

/// Controls a child process. All methods take `&self`, and none blocks.
///
/// Dropping the transport neither kills the child nor closes its pipes. The loop waits for the child, so no zombie is
/// left.
#[doc(alias = "BaseSubprocessTransport")]
pub trait SubprocessTransport {
    /// The child's process ID. After the child has exited, the system may give it to another process.
    fn get_pid(&self) -> u32;

    /// How the child exited; `None` while it runs, or if the system could not say.
    fn get_returncode(&self) -> Option<ExitStatus>;

    /// The transport of a pipe; `None` if the child has no such pipe, and once the pipe is lost.
    fn get_pipe_transport(&self, pipe: ChildPipe) -> Option<Rc<dyn Transport>>;

    /// Sends a signal to the child.
    ///
    /// # Errors
    ///
    /// `NotFound` if the child has exited (`ProcessLookupError` in asyncio). A child that has exited but was not
    /// waited for yet accepts any signal. `InvalidInput` if there is no such signal, or if it has no name, like a
    /// real-time signal. The system's error if we may not signal the child.
    #[doc(alias = "ProcessLookupError")]
    fn send_signal(&self, signal: i32) -> io::Result<()>;

    /// Asks the child to exit, by sending `SIGTERM`.
    ///
    /// # Errors
    ///
    /// As for [`send_signal`](SubprocessTransport::send_signal).
    fn terminate(&self) -> io::Result<()> {
        self.send_signal(libc::SIGTERM)
    }

    /// Kills the child, by sending `SIGKILL`.
    ///
    /// # Errors
    ///
    /// As for [`send_signal`](SubprocessTransport::send_signal).
    fn kill(&self) -> io::Result<()> {
        self.send_signal(libc::SIGKILL)
    }

    /// Closes all pipes, and kills the child if it is running. Bytes already written to its standard input are still
    /// sent, as far as the child takes them before it is gone.
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
