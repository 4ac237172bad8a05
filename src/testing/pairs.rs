//! Both ends of a connection on one loop.

use std::io;
use std::os::unix::net::UnixStream;

use crate::streams::Connection;

/// Both ends of a connection over a pair of Unix sockets, on the running loop. What a handler or a client does with its
/// end, a test can see at the other, and the operating system is in between.
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
