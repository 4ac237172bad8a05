//! Opening one end of a pipe as one half of a stream.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use crate::constants::DEFAULT_LIMIT;
use crate::event_loop::{LoopHandle, Unawaited, get_running_loop};
use crate::executor::{Awaited, because};
#[cfg(feature = "process")]
use crate::net::port::Ways;
use crate::streams::open::check_limit;
use crate::streams::protocol::StreamProtocol;
use crate::streams::{StreamReader, StreamWriter};

/// Reads from a pipe: the read end of a FIFO, a terminal or another character device, or a socket. Returns a reader,
/// which owns the pipe. The pipe is closed when it ends, or when the reader is dropped.
///
/// A reader that falls behind holds the pipe's writer back: above twice its limit it takes nothing more out of the
/// pipe, and the pipe fills up.
///
/// Standard input is read through a duplicate, `std::io::stdin().as_fd().try_clone_to_owned()?`, since the reader
/// closes what it owns. The pipe is made non-blocking. That is a property of the open file and not of the descriptor,
/// so duplicates share it, even those that another process has inherited; see
/// [`connect_read_pipe`](crate::LoopHandle::connect_read_pipe). If the program also uses `std::io::stdin`, reads there
/// fail with `WouldBlock`, and if input and output are the same terminal, prints may fail, too.
///
/// # Cancel safety
///
/// Dropping the future before it is done closes the pipe.
///
/// # Errors
///
/// `InvalidInput` if the limit is 0, or for a regular file, which no selector can wait for. The system's error for a
/// device that the selector refuses.
///
/// # Panics
///
/// When awaited where no loop runs.
///
/// # Examples
///
/// ```
/// use std::process::{Command, Stdio};
/// use waterwheel::open_read_pipe;
///
/// let mut child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
/// let stdout = child.stdout.take().expect("it was piped");
/// let line = waterwheel::run(async { open_read_pipe(stdout).await?.readline().await.map_err(std::io::Error::from) })?;
/// assert_eq!(line, b"hello\n");
/// child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "connect_read_pipe")]
#[doc(alias = "stdin")]
#[track_caller]
pub fn open_read_pipe(pipe: impl Into<OwnedFd>) -> OpenReadPipe {
    OpenReadPipe { pipe: pipe.into(), limit: DEFAULT_LIMIT, unawaited: Unawaited::new("open_read_pipe") }
}

/// Writes to a pipe: the write end of a FIFO, a terminal or another character device, or a socket. Returns a writer,
/// which owns the pipe. When the writer is dropped or closed, the bytes written before are sent, and then the pipe is
/// closed; if the pipe's reader takes none of them, they are given up, as [`StreamWriter`] describes.
///
/// [`drain`](StreamWriter::drain) waits while the pipe's reader is behind, and fails when that reader is gone. If the
/// pipe is a socket, bytes from its peer are thrown away.
///
/// Standard output is written through a duplicate, `std::io::stdout().as_fd().try_clone_to_owned()?`. The pipe is made
/// non-blocking for everyone who shares the open file, as [`open_read_pipe`] describes. A `println!` to it may then
/// fail, and panic, when the pipe is full.
///
/// # Cancel safety
///
/// Dropping the future before it is done closes the pipe.
///
/// # Errors
///
/// The same as [`open_read_pipe`].
///
/// # Panics
///
/// When awaited where no loop runs.
///
/// # Examples
///
/// ```
/// use std::process::{Command, Stdio};
/// use waterwheel::{open_read_pipe, open_write_pipe};
///
/// let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let (stdin, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
/// let answer = waterwheel::run(async {
///     let writer = open_write_pipe(stdin).await?;
///     writer.write_all(b"round and round").await?;
///     drop(writer); // `cat` sees the end of its input, once this is sent
///     open_read_pipe(stdout).await?.read_to_end().await
/// })?;
/// assert_eq!(answer, b"round and round");
/// child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "connect_write_pipe")]
#[doc(alias = "stdout")]
#[track_caller]
pub fn open_write_pipe(pipe: impl Into<OwnedFd>) -> OpenWritePipe {
    OpenWritePipe { pipe: pipe.into(), unawaited: Unawaited::new("open_write_pipe") }
}

fn to_read(event_loop: &LoopHandle, limit: usize) -> Rc<StreamProtocol> {
    let protocol = StreamProtocol::new(Some(event_loop.clone()), limit, None);
    protocol.has_no_writer();
    protocol
}

fn to_write(event_loop: &LoopHandle) -> Rc<StreamProtocol> {
    // Nothing is read, so the limit is never reached.
    let protocol = StreamProtocol::new(Some(event_loop.clone()), DEFAULT_LIMIT, None);
    protocol.has_no_reader();
    protocol
}

/// A reader that can be used at once, although its protocol's `connection_made` is called only in the next turn.
#[cfg(feature = "process")]
pub(super) fn read_at_once(event_loop: &LoopHandle, pipe: OwnedFd) -> io::Result<StreamReader> {
    let protocol = to_read(event_loop, DEFAULT_LIMIT);
    // The loop calls `connection_made` only in the next turn, and the reader may be dropped before.
    protocol.has_transport(event_loop.open_pipe(protocol.clone(), pipe, Ways::In)?);
    Ok(StreamReader::of(protocol))
}

/// Like [`read_at_once`], for writing.
#[cfg(feature = "process")]
pub(super) fn write_at_once(event_loop: &LoopHandle, pipe: OwnedFd) -> io::Result<StreamWriter> {
    let protocol = to_write(event_loop);
    let transport = event_loop.open_pipe(protocol.clone(), pipe, Ways::Out)?;
    protocol.has_transport(Rc::clone(&transport));
    Ok(StreamWriter::of(protocol, transport))
}

/// The pipe to read, returned by [`open_read_pipe`]. Await it to open the pipe.
#[must_use = "the pipe is not read, and is closed, unless this is awaited"]
pub struct OpenReadPipe {
    pipe: OwnedFd,
    limit: usize,
    unawaited: Unawaited,
}

impl OpenReadPipe {
    /// The reader's limit, in bytes; the default is 64 KiB.
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }
}

impl IntoFuture for OpenReadPipe {
    type Output = io::Result<StreamReader>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::Pipe, Location::caller(), async move {
            check_limit(self.limit)?;
            let event_loop = get_running_loop();
            let protocol = to_read(&event_loop, self.limit);
            let (_transport, protocol) = event_loop.connect_read_pipe(|| protocol, self.pipe).await?;
            Ok(StreamReader::of(protocol))
        }))
    }
}

/// The pipe to write to, returned by [`open_write_pipe`]. Await it to open the pipe.
#[must_use = "unless this is awaited, the pipe is closed and nothing is written to it"]
pub struct OpenWritePipe {
    pipe: OwnedFd,
    unawaited: Unawaited,
}

impl IntoFuture for OpenWritePipe {
    type Output = io::Result<StreamWriter>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::Pipe, Location::caller(), async move {
            let event_loop = get_running_loop();
            let protocol = to_write(&event_loop);
            let (transport, protocol) = event_loop.connect_write_pipe(|| protocol, self.pipe).await?;
            Ok(StreamWriter::of(protocol, transport))
        }))
    }
}

impl fmt::Debug for OpenReadPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenReadPipe").field("pipe", &self.pipe).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl fmt::Debug for OpenWritePipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenWritePipe").field("pipe", &self.pipe).finish_non_exhaustive()
    }
}
