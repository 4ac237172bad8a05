//! Addresses for programs that cannot report which one they took.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// A free address, for a program that cannot report which one it took. Each test process uses its own address of the
/// loopback network, so that no other process takes the port first.
pub(crate) fn free_address() -> SocketAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 64 | high, middle, low);
    let listener = TcpListener::bind((ip, 0)).expect("the whole net 127/8 is ours");
    listener.local_addr().expect("it is bound")
}
