//! Both ends of a connection on one loop.

use std::io;
use std::os::unix::net::UnixStream;

use crate::event_loop::get_running_loop;
use crate::net::connected_in_memory;
use crate::streams::Connection;

/// Both ends of a connection over a pair of Unix sockets, on the running loop. A test can observe at one end what a
/// handler or a client does with the other, with the operating system in between.
///
/// # Errors
///
/// If the system has no descriptors left.
///
/// # Panics
///
/// Where no loop runs.
///
/// # Examples
///
/// ```
/// use waterwheel::testing::socket_pair;
///
/// waterwheel::run(async {
///     let (ours, mut theirs) = socket_pair()?;
///     ours.writer.write(b"hello");
///     drop(ours);
///     assert_eq!(theirs.reader.read_to_end().await?, b"hello");
///     std::io::Result::Ok(())
/// })
/// # .unwrap()
/// ```
#[doc(alias = "socketpair")]
#[track_caller]
pub fn socket_pair() -> io::Result<(Connection, Connection)> {
    let (one, other) = UnixStream::pair()?;
    Ok((one.try_into()?, other.try_into()?))
}

/// Both ends of a connection in memory, on the running loop. The operating system is not involved, so a test needs no
/// descriptors and no waiting: a [`ManualClock`](crate::testing::ManualClock) jumps only when no bytes are on their
/// way.
///
/// Everything else is as over sockets: the bytes that one step writes arrive in a later turn, a writer pauses when its
/// peer does not read, each side can end alone, and the peer of a connection that is given up with bytes unsent gets a
/// reset. Neither end has an address or a socket.
///
/// # Panics
///
/// Where no loop runs.
///
/// # Examples
///
/// A handler of [`start_server`](crate::start_server), tested without a server:
///
/// ```
/// use waterwheel::testing::connected_pair;
/// use waterwheel::{StreamReader, StreamWriter, spawn};
///
/// async fn shout(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
///     let line = reader.readline().await?;
///     writer.write(&line.to_ascii_uppercase());
///     writer.drain().await
/// }
///
/// waterwheel::run(async {
///     let (server, mut client) = connected_pair();
///     let (reader, writer) = server.split();
///     spawn(shout(reader, writer));
///     client.writer.write(b"hello\n");
///     client.writer.write_eof();
///     assert_eq!(client.reader.read_to_end().await?, b"HELLO\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap()
/// ```
#[doc(alias = "duplex")]
#[track_caller]
pub fn connected_pair() -> (Connection, Connection) {
    let event_loop = get_running_loop();
    let (one, other) = connected_in_memory(&event_loop);
    let open =
        |connected| Connection::of(&event_loop, connected).expect("a running loop accepts every connection in memory");
    (open(one), open(other))
}
