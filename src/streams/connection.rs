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

/// A reader and a writer as one value, as libraries want it that are written for any stream of bytes.
///
/// [`open_connection`](crate::open_connection) and the handlers of [`start_server`](crate::start_server) give the two
/// halves, and `into()` makes them one. The halves are fields, so both can be used at once, and each has all of its
/// methods. They may be those of two pipes, too.
///
/// With the features `futures-io`, `tokio-io` and `hyper` a connection has the traits of those crates, as its halves have.
/// On a connection their `read`, `write_all`, `flush` or `close` can be called as usual; on a half its own methods of such
/// names come first.
///
/// Through those traits, too, what one step writes is one system call, and a flush is ready when the kernel has what
/// earlier steps wrote. Closing, or shutting down, is [`StreamWriter::poll_shutdown`]: what was written is sent, then the
/// end. With TLS that ends both directions, since one cannot end alone.
///
/// hyper hands a connection of HTTP/1 over to another protocol by its `without_shutdown`, which gives the connection and the
/// bytes that have come already. Its `with_upgrades` asks for a connection that is `Send`, which none is.
///
/// Dropping it drops both halves, which closes the connection in order: what was written is sent.
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
/// A socket of the standard library becomes one where a loop runs:
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
    /// The descriptor that was lent by `as_fd`: the borrow is as long as that of the connection, so it has to stay open.
    lent: OnceCell<Rc<dyn AsFd>>,
}

impl Connection {
    /// Takes the two halves apart.
    #[doc(alias = "into_split")]
    pub fn split(self) -> (StreamReader, StreamWriter) {
        (self.reader, self.writer)
    }

    /// Takes the socket out of the loop, to use it without one, or on another. What was written is sent first. Gives the
    /// socket and what had been received and not read.
    ///
    /// The peer notices nothing. The socket is still non-blocking, as it is on a loop: `set_nonblocking(false)` makes it
    /// as the standard library's are.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the connection, which closes it in order.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the bytes of the socket are not those of the connection, as with TLS, or there is no socket, as
    /// over pipes and in memory. The error of the connection if that has failed, and `NotConnected` if it was closed. The
    /// connection is dropped then.
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
                // What this step wrote goes out at its end.
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
            // This closes the loop's descriptor of it and no more, since nothing is unsent.
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
        // The loop says so only in the next turn, and the halves may be dropped before.
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

/// On the running loop, with the default limit. [`open_connection`](crate::open_connection) takes a socket, too, with all
/// of its options.
///
/// # Errors
///
/// If the socket is not connected, or the selector refuses it. It is closed then.
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

/// As of a TCP socket.
impl TryFrom<UnixStream> for Connection {
    type Error = io::Error;

    #[track_caller]
    fn try_from(socket: UnixStream) -> io::Result<Connection> {
        Connection::over(socket.into())
    }
}

/// The connection's socket, to read and set its options, as by `socket2::SockRef::from(&connection)`. With TLS that is the
/// socket below. Once it was lent it is closed when the connection is dropped, and not when it is lost.
///
/// # Panics
///
/// If there is none: for pipes, in memory, and if the connection was lost before. [`StreamWriter::extra_info`] tells.
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
