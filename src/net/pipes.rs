//! Pipes as transports: one end of a FIFO, a terminal or another device, or a socket that is used one way.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::event_loop::LoopHandle;
use crate::executor::costly_operation;
use crate::interface::{Protocol, Transport};
use crate::net::port::Ways;

impl LoopHandle {
    /// Receives what comes through a pipe: the read end of a FIFO, a terminal or another character device, or a
    /// socket. The transport owns it, and closes it at its end.
    ///
    /// After `eof_received`, whatever it answers, comes `connection_lost(None)`. Nothing can be written. A device that
    /// never makes anybody wait is read once in each turn: `/dev/null` ends at once, `/dev/zero` never does.
    ///
    /// The pipe is made non-blocking. That belongs to the open file and not to the descriptor: a duplicate shares it,
    /// and so does another process that inherited it. A shell whose terminal was left so sets it right by itself.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done closes the pipe.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for anything else, such as a regular file: reading and writing one may block, which no selector
    /// can tell. What the system says of a device that the selector refuses, unless it is one that never makes anybody
    /// wait, as `/dev/null`. A closed loop.
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
    pub async fn connect_read_pipe<P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P>,
        pipe: impl Into<OwnedFd>,
    ) -> io::Result<(Rc<dyn Transport>, Rc<P>)> {
        self.connect_pipe(factory, pipe.into(), Ways::In).await
    }

    /// Sends into a pipe: the write end of a FIFO, a terminal or another character device, or a socket. The
    /// transport owns it, and closes it at its end.
    ///
    /// When nobody reads any more, `connection_lost` comes: with `BrokenPipe` if bytes are left, else with `None`. That is
    /// noticed without writing, but for devices. `write_eof` closes. A socket's peer that sends something is heard by
    /// `data_received`.
    ///
    /// Writing to a pipe that nobody reads raises SIGPIPE, which Rust programs ignore from their start on; then it is
    /// the error that is told here. A program that has set the signal back to its default is ended by it.
    ///
    /// The pipe is made non-blocking, as [`connect_read_pipe`](LoopHandle::connect_read_pipe) says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done closes the pipe.
    ///
    /// # Errors
    ///
    /// As [`connect_read_pipe`](LoopHandle::connect_read_pipe).
    pub async fn connect_write_pipe<P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P>,
        pipe: impl Into<OwnedFd>,
    ) -> io::Result<(Rc<dyn Transport>, Rc<P>)> {
        self.connect_pipe(factory, pipe.into(), Ways::Out).await
    }

    async fn connect_pipe<P: Protocol + 'static>(
        &self,
        factory: impl FnOnce() -> Rc<P>,
        pipe: OwnedFd,
        ways: Ways,
    ) -> io::Result<(Rc<dyn Transport>, Rc<P>)> {
        // What is refused at once may be tried again at once.
        costly_operation().await;
        let connected = self.network().adopt_pipe(self, pipe, ways)?;
        let protocol = factory();
        let opened = connected.open(self, protocol.clone(), None)?;
        Ok((opened.until_made().await?, protocol))
    }
}
