//! Both halves of a stream as one value.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::rc::Rc;

use crate::constants::DEFAULT_LIMIT;
use crate::event_loop::{LoopHandle, get_running_loop};
use crate::executor::{Awaited, because};
use crate::net::port::{Connected, Network};
use crate::streams::protocol::{StreamProtocol, pair};
use crate::streams::{StreamReader, StreamWriter};
use crate::task::yield_now;

/// A reader and a writer as one value, for libraries that work with any stream of bytes.
///
/// [`open_connection`](crate::open_connection) returns the two halves, the handlers of
/// [`start_server`](crate::start_server) are given them, and `into()` joins them. The halves are public fields, so both
/// can be used at once, with all of their methods. They may also come from two pipes.
///
/// With the features `futures-io`, `tokio-io` and `hyper`, a connection implements the traits of those crates, and so
/// do its halves. On a connection, the traits' `read`, `write_all`, `flush` or `close` can be called as usual; on a
/// half, its own methods of these names take precedence.
///
/// Through those traits, too, the bytes that one step writes are sent in one system call, and a flush is ready when the
/// kernel has taken the bytes of earlier steps. Closing, or shutting down, is [`StreamWriter::poll_shutdown`]: it sends
/// the bytes written before, then the end. With TLS it ends both directions, since one cannot end alone.
///
/// To hand an HTTP/1 connection over to another protocol, use hyper's `without_shutdown`, which returns the connection
/// and the bytes already received. hyper's `with_upgrades` requires a connection that is `Send`, which a `Connection`
/// is not.
///
/// Dropping it drops both halves, which closes the connection cleanly: the bytes written before are sent.
///
/// # Examples
///
/// ```no_run
/// use waterwheel::{Connection, open_connection};
///
/// # async fn example() -> std::io::Result<()> {
/// let mut connection: Connection = open_connection("127.0.0.1:8888").await?.into();
/// connection.writer.write(b"hello\n");
/// println!("{:?}", connection.reader.readline().await?);
/// let (reader, writer) = connection.split();
/// # Ok(())
/// # }
/// ```
///
/// On a running loop, a socket of the standard library can be turned into a connection:
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use waterwheel::Connection;
///
/// waterwheel::run(async {
///     let (ours, mut theirs) = UnixStream::pair()?;
///     let mut connection = Connection::try_from(ours)?;
///     theirs.write_all(b"hello\n")?;
///     assert_eq!(connection.reader.readline().await?, b"hello\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap()
/// ```
pub struct Connection {
    /// The reading end.
    pub reader: StreamReader,
    /// The writing end.
    pub writer: StreamWriter,
    /// The descriptor that `as_fd` lent: it is borrowed for as long as the connection is, so it has to stay open.
    lent: OnceCell<Rc<dyn AsFd>>,
}

impl Connection {
    /// Splits the connection into its two halves.
    #[doc(alias = "into_split")]
    pub fn split(self) -> (StreamReader, StreamWriter) {
        (self.reader, self.writer)
    }

    /// Takes the socket out of the loop, to use it without a loop, or on another one. Bytes written before are sent
    /// first. Returns the socket, and the bytes that were received and not read.
    ///
    /// The peer notices nothing. The socket is still non-blocking, as it was on the loop: `set_nonblocking(false)`
    /// makes it blocking, as sockets of the standard library are by default.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the connection, which closes it cleanly.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the bytes of the socket are not those of the connection, as with TLS, or if there is no socket,
    /// as for pipes and in memory. The connection's error if it has failed, and `NotConnected` if it was closed. On any
    /// error the connection is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    /// use std::os::unix::net::UnixStream;
    /// use waterwheel::Connection;
    ///
    /// let (ours, mut theirs) = UnixStream::pair()?;
    /// let ours = waterwheel::run(async {
    ///     let connection = Connection::try_from(ours)?;
    ///     connection.writer.write(b"from the loop, ");
    ///     let (socket, unread) = connection.into_std().await?;
    ///     assert!(unread.is_empty());
    ///     std::io::Result::Ok(UnixStream::from(socket))
    /// })?;
    /// std::io::Write::write_all(&mut &ours, b"and from outside")?;
    /// drop(ours);
    /// let mut all = String::new();
    /// theirs.read_to_string(&mut all)?;
    /// assert_eq!(all, "from the loop, and from outside");
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn into_std(mut self) -> impl Future<Output = io::Result<(OwnedFd, Vec<u8>)>> {
        because(Awaited::IntoStd, Location::caller(), async move {
            let transport = self.writer.transport();
            if transport.extra_info().layer.is_some() {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "the socket's bytes are not those of the connection",
                ));
            }
            self.writer.flush().await?;
            while transport.get_write_buffer_size() > 0 {
                // The bytes that this step wrote are sent when it ends.
                yield_now().await;
                self.writer.flush().await?;
            }
            if transport.is_closing() {
                return Err(io::Error::new(io::ErrorKind::NotConnected, "the connection was closed"));
            }
            let socket = transport.extra_info().socket;
            let socket = socket.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "there is no socket"))?;
            let duplicate = socket.as_fd().try_clone_to_owned()?;
            drop(socket);
            // Nothing is unsent, so this only closes the loop's own descriptor of the socket.
            transport.abort();
            Ok((duplicate, self.reader.take_all()))
        })
    }

    #[track_caller]
    fn over(socket: OwnedFd) -> io::Result<Connection> {
        let event_loop = get_running_loop();
        let connected = event_loop.network().adopt_connection(&event_loop, socket)?;
        Connection::of(&event_loop, connected)
    }

    /// The streams of a connection that has no transport yet.
    pub(crate) fn of(event_loop: &LoopHandle, connected: Connected) -> io::Result<Connection> {
        let protocol = StreamProtocol::new(Some(event_loop.clone()), DEFAULT_LIMIT, None);
        let transport = connected.open(event_loop, protocol.clone(), None)?.into_transport();
        // The loop calls `connection_made` only in the next turn, and the halves may be dropped before.
        protocol.has_transport(Rc::clone(&transport));
        Ok(pair(protocol, transport).into())
    }
}

impl From<(StreamReader, StreamWriter)> for Connection {
    fn from((reader, writer): (StreamReader, StreamWriter)) -> Connection {
        Connection { reader, writer, lent: OnceCell::new() }
    }
}

impl From<Connection> for (StreamReader, StreamWriter) {
    fn from(connection: Connection) -> (StreamReader, StreamWriter) {
        connection.split()
    }
}

/// Uses the running loop and the default limit. [`open_connection`](crate::open_connection) also accepts a socket, with
/// all of its options.
///
/// # Errors
///
/// If the socket is not connected, or the selector refuses it. The socket is then closed.
///
/// # Panics
///
/// Where no loop runs.
impl TryFrom<TcpStream> for Connection {
    type Error = io::Error;

    #[track_caller]
    fn try_from(socket: TcpStream) -> io::Result<Connection> {
        Connection::over(socket.into())
    }
}

/// Like the conversion of a TCP socket.
impl TryFrom<UnixStream> for Connection {
    type Error = io::Error;

    #[track_caller]
    fn try_from(socket: UnixStream) -> io::Result<Connection> {
        Connection::over(socket.into())
    }
}

/// The connection's socket, for reading and setting its options, for example with
/// `socket2::SockRef::from(&connection)`. With TLS it is the socket below. Once it was borrowed, it is closed when the
/// `Connection` is dropped, and not when the connection is lost.
///
/// # Panics
///
/// If there is no socket: for pipes, in memory, and if the connection is already lost. [`StreamWriter::extra_info`]
/// tells whether there is one.
impl AsFd for Connection {
    #[track_caller]
    fn as_fd(&self) -> BorrowedFd<'_> {
        let lend = || self.writer.extra_info().socket.expect("the connection has no socket, or is lost");
        self.lent.get_or_init(lend).as_fd()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("reader", &self.reader).field("writer", &self.writer).finish()
    }
}
