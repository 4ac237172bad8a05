//! Pipes as transports: one end of a FIFO, a terminal or another device, or a socket that is used one way.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::rc::Rc;

use mio::unix::pipe::Sender;

use crate::event_loop::LoopHandle;
use crate::executor::costly_operation;
use crate::interface::{Address, Protocol, Transport};
use crate::net::connection::until_made;
use crate::net::connection::{Conduit, Ways};
use crate::net::connection::{ConduitTransport, Names};
use crate::net::system::watch::Watch;

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
        let pipe = Pipe::prepare(self, pipe, ways)?;
        let protocol = factory();
        let (transport, made) = ConduitTransport::open(self, Rc::new(pipe), Names::default(), protocol.clone())?;
        until_made(&made, || transport.abort()).await?;
        Ok((transport, protocol))
    }
}

/// What is at the other side of the descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fifo,
    Socket,
    /// It can be waited for, as a terminal.
    Device,
    /// It never makes anybody wait, as `/dev/null`.
    ReadyDevice,
}

impl Kind {
    fn of_device(event_loop: &LoopHandle, device: &File) -> io::Result<Kind> {
        match Watch::new(event_loop, device.as_raw_fd()) {
            Ok(_) => Ok(Kind::Device),
            // What epoll says of those that have no notion of readiness.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Kind::ReadyDevice),
            Err(error) => Err(error),
        }
    }
}

struct Pipe {
    file: File,
    kind: Kind,
    ways: Ways,
}

impl Pipe {
    fn prepare(event_loop: &LoopHandle, pipe: OwnedFd, ways: Ways) -> io::Result<Pipe> {
        let file = File::from(pipe);
        let file_type = file.metadata()?.file_type();
        let kind = match () {
            () if file_type.is_fifo() => Kind::Fifo,
            () if file_type.is_socket() => Kind::Socket,
            () if file_type.is_char_device() => Kind::of_device(event_loop, &file)?,
            () => {
                let text = "only pipes, sockets and character devices can be waited for, not regular files";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        };
        // std has no way to make a file non-blocking. mio's pipe has, with a system call that means the same for
        // every kind of descriptor; it is only a wrapper around the descriptor, which comes out as it went in.
        let pipe = Sender::from(OwnedFd::from(file));
        pipe.set_nonblocking(true)?;
        Ok(Pipe { file: File::from(OwnedFd::from(pipe)), kind, ways })
    }

    /// Something happened on a pipe that we write to: is it that nobody reads any more? A send would tell by EPIPE,
    /// but there may be nothing to send.
    fn look_for_the_reader(&self, into: &mut [u8]) -> io::Result<usize> {
        match self.kind {
            Kind::Socket => (&self.file).read(into),
            // A write end has no other event of this direction than that it failed. Only a FIFO that was opened both
            // ways has: it may be read, and the empty read that asks for that takes nothing out of it.
            Kind::Fifo => match (&self.file).read(&mut []) {
                Ok(_) => Err(io::ErrorKind::WouldBlock.into()),
                Err(_) => Ok(0),
            },
            // A terminal is readable because someone types.
            Kind::Device | Kind::ReadyDevice => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Conduit for Pipe {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        match self.ways {
            Ways::Both | Ways::In => (&self.file).read(into),
            Ways::Out => self.look_for_the_reader(into),
        }
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        match self.kind {
            // Nobody would tell when the rest may be sent, so all of it is sent now.
            Kind::ReadyDevice => (&self.file).write_all(data).map(|()| data.len()),
            Kind::Fifo | Kind::Socket | Kind::Device => (&self.file).write(data),
        }
    }

    fn send_pieces(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.kind {
            Kind::ReadyDevice => pieces.iter().map(|piece| self.send(piece)).sum(),
            Kind::Fifo | Kind::Socket | Kind::Device => (&self.file).write_vectored(pieces),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        // A pipe's side ends when it is closed.
        Ok(())
    }

    fn peername(&self) -> Option<Address> {
        None
    }

    fn sockname(&self) -> Option<Address> {
        None
    }

    fn fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    fn socket(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        None
    }

    fn ways(&self) -> Ways {
        self.ways
    }

    fn is_always_ready(&self) -> bool {
        self.kind == Kind::ReadyDevice
    }
}
