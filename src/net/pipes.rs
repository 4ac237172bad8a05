//! Pipes as transports: one end of a FIFO, a terminal or another device, or a socket that is used one way.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::rc::Rc;

use crate::event_loop::LoopHandle;
use crate::executor::{Awaited, because, costly_operation};
use crate::interface::{Protocol, Transport};
use crate::net::port::{Network, Ways};

impl LoopHandle {
    /// Receives bytes from a pipe: the read end of a FIFO, a terminal or another character device, or a socket. The
    /// transport owns the pipe, and closes it when it is done.
    ///
    /// Whatever `eof_received` returns, `connection_lost(None)` follows. Nothing can be written. A device that is
    /// always ready is read once in each turn: `/dev/null` ends at once, `/dev/zero` never does.
    ///
    /// The pipe is made non-blocking. That is a property of the open file and not of the descriptor, so duplicates
    /// share it, even those that another process has inherited. A shell resets its terminal by itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it completes closes the pipe.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for anything else, such as a regular file: no selector can say when reading or writing it would
    /// block. The system's error for a device that the selector refuses; devices that are always ready, such as
    /// `/dev/null`, are accepted. It also fails if the loop is closed.
    ///
    /// # Examples
    ///
    /// The output of a child process:
    ///
    /// ```
    /// use std::process::{Command, Stdio};
    /// use std::rc::Rc;
    /// use waterwheel::{ConnectionError, Promise, Protocol};
    ///
    /// #[derive(Default)]
    /// struct Collect {
    ///     output: std::cell::RefCell<Vec<u8>>,
    ///     done: Promise<()>,
    /// }
    ///
    /// impl Protocol for Collect {
    ///     fn data_received(&self, data: &[u8]) {
    ///         self.output.borrow_mut().extend_from_slice(data);
    ///     }
    ///     fn connection_lost(&self, _error: Option<ConnectionError>) {
    ///         self.done.set(()).expect("it comes once");
    ///     }
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    /// let stdout = child.stdout.take().expect("it was piped");
    /// let output = waterwheel::run(async {
    ///     let event_loop = waterwheel::get_running_loop();
    ///     let (_transport, protocol) = event_loop.connect_read_pipe(Rc::<Collect>::default, stdout).await?;
    ///     protocol.done.wait().await;
    ///     std::io::Result::Ok(protocol.output.take())
    /// })?;
    /// assert_eq!(output, b"hello\n");
    /// child.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn connect_read_pipe<P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P>,
        pipe: impl Into<OwnedFd>,
    ) -> impl Future<Output = io::Result<(Rc<dyn Transport>, Rc<P>)>> {
        because(
            Awaited::Pipe,
            Location::caller(),
            async move { self.connect_pipe(factory, pipe.into(), Ways::In).await },
        )
    }

    /// Sends bytes into a pipe: the write end of a FIFO, a terminal or another character device, or a socket. The
    /// transport owns the pipe, and closes it when it is done.
    ///
    /// When the reader is gone, `connection_lost` comes: with `BrokenPipe` if bytes are left, otherwise with `None`.
    /// With a FIFO or a socket, that is noticed even if nothing is written. `write_eof` closes the pipe. Bytes that
    /// the peer of a socket sends are passed to `data_received`.
    ///
    /// Writing to a pipe without a reader raises SIGPIPE. Rust programs ignore that signal from the start. A program
    /// that has reset it to its default is killed by it.
    ///
    /// The pipe is made non-blocking, as [`connect_read_pipe`](LoopHandle::connect_read_pipe) says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it completes closes the pipe.
    ///
    /// # Errors
    ///
    /// As for [`connect_read_pipe`](LoopHandle::connect_read_pipe).
    ///
    /// # Examples
    ///
    /// The input of a child process:
    ///
    /// ```
    /// use std::io::Read;
    /// use std::process::{Command, Stdio};
    /// use std::rc::Rc;
    /// use waterwheel::{ConnectionError, Promise, Protocol, get_running_loop};
    ///
    /// #[derive(Default)]
    /// struct Input {
    ///     lost: Promise<Option<ConnectionError>>,
    /// }
    ///
    /// impl Protocol for Input {
    ///     fn connection_lost(&self, error: Option<ConnectionError>) {
    ///         let _ = self.lost.set(error);
    ///     }
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    /// let stdin = child.stdin.take().expect("it was piped");
    /// let lost = waterwheel::run(async {
    ///     let (transport, input) = get_running_loop().connect_write_pipe(Rc::<Input>::default, stdin).await?;
    ///     transport.write(b"hello");
    ///     transport.write_eof(); // A pipe goes one way only, so this closes it.
    ///     std::io::Result::Ok(input.lost.wait().await)
    /// })?;
    /// assert!(lost.is_none());
    /// let mut output = String::new();
    /// child.stdout.take().expect("it was piped").read_to_string(&mut output)?;
    /// assert_eq!(output, "hello");
    /// child.wait()?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn connect_write_pipe<P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P>,
        pipe: impl Into<OwnedFd>,
    ) -> impl Future<Output = io::Result<(Rc<dyn Transport>, Rc<P>)>> {
        because(
            Awaited::Pipe,
            Location::caller(),
            async move { self.connect_pipe(factory, pipe.into(), Ways::Out).await },
        )
    }

    async fn connect_pipe<P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P>,
        pipe: OwnedFd,
        ways: Ways,
    ) -> io::Result<(Rc<dyn Transport>, Rc<P>)> {
        // Opening may fail at once, and a task that tries again in a loop must not hog the thread.
        costly_operation().await;
        let connected = self.network().adopt_pipe(self, pipe, ways)?;
        let protocol = factory();
        let opened = connected.open(self, protocol.clone(), None)?;
        Ok((opened.until_made().await?, protocol))
    }

    /// Opens a transport for a pipe. Its protocol is told `connection_made` in the next turn.
    #[cfg(feature = "process")]
    pub(crate) fn open_pipe(
        &self,
        protocol: Rc<dyn Protocol>,
        pipe: OwnedFd,
        ways: Ways,
    ) -> io::Result<Rc<dyn Transport>> {
        Ok(self.network().adopt_pipe(self, pipe, ways)?.open(self, protocol, None)?.into_transport())
    }
}
