//! The names of Unix sockets.

use std::path::Path;

use socket2::SockAddr;

/// The name of a Unix socket.
pub(crate) fn unix_name(path: impl AsRef<Path>) -> SockAddr {
    SockAddr::unix(path).expect("the path fits")
}
