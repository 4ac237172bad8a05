//! Addresses for programs that cannot say which one they took.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// An address that is free, for programs that cannot say which one they took. Each process has an address of the
/// loopback net to itself here, so that nobody else takes the port before they do.
pub(crate) fn free_address() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 | high, middle, low);
    let listener = TcpListener::bind((ip, 0)).expect("the whole net 127/8 is ours");
    listener.local_addr().expect("it is bound")
}
