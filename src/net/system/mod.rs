//! The network of the operating system: the one room that knows socket2, mio and `getaddrinfo`.

pub(super) mod bind;
pub(super) mod dial;
pub(super) mod directory_lock;
pub(super) mod unix_path;
pub(super) mod watch;
