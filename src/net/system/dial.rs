//! Connected sockets: dialled here, or made by the caller.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::socket::{connected, family_of, prepare, set_nodelay, sockname};
use crate::constants::UNIX_RETRY;
use crate::event_loop::LoopHandle;
use crate::interface::Address;
use crate::net::connection::Watch;
use crate::net::port::Connected;
use crate::reactor::Direction;
use crate::time::sleep;

/// Connects to an internet address, from the first of `from` that can be bound to.
pub(super) async fn dial(event_loop: &LoopHandle, address: SocketAddr, from: &[SocketAddr]) -> io::Result<Connected> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket)?;
    set_nodelay(&socket);
    bind_to_one_of(&socket, from)?;
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => return Ok(connected(socket)),
        // EINPROGRESS has no `ErrorKind` in stable Rust.
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        Err(error) => return Err(error),
    }
    // Declared after the socket, so dropped before it: the selector lets go before the descriptor is closed.
    let watch = Watch::new(event_loop, socket.as_raw_fd())?;
    loop {
        watch.ready(Direction::Write).await;
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        // Readiness is only a hint: the socket is connected if it has a peer. Only the error `NotConnected` says that
        // there is no peer yet, and that another event will come.
        match socket.peer_addr() {
            Ok(peer) => {
                let local = sockname(SockRef::from(&socket)).map(Rc::new);
                let peer = Address::from_sock_addr(peer);
                return Ok(Connected::new(socket).with_names(peer, local).with_watch(watch));
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => watch.exhausted(Direction::Write),
            Err(error) => return Err(error),
        }
    }
}

fn bind_to_one_of(socket: &Socket, candidates: &[SocketAddr]) -> io::Result<()> {
    let mut failed = None;
    for &candidate in candidates {
        match socket.bind(&SockAddr::from(candidate)) {
            Ok(()) => return Ok(()),
            Err(error) => failed = Some(io::Error::new(error.kind(), format!("cannot bind to {candidate}: {error}"))),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Connects to a Unix server. If the server's queue is full, tries again until there is room, as a blocking connect
/// would wait.
pub(super) async fn dial_unix(name: &SockAddr) -> io::Result<Connected> {
    let mut pause = Duration::from_millis(1);
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        prepare(&socket)?;
        match socket.connect(name) {
            Ok(()) => return Ok(connected(socket)),
            // No event says when there is room: the socket even counts as writable.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        drop(socket);
        sleep(pause).await;
        pause = (pause * 2).min(UNIX_RETRY);
    }
}

/// Takes a socket that the caller made. Whether it is connected shows only when it is used.
pub(super) fn adopt(socket: Socket) -> io::Result<Connected> {
    if socket.r#type()? != Type::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a stream socket was expected"));
    }
    prepare(&socket)?;
    // A Unix socket has no such option.
    if family_of(&socket).is_ok_and(|domain| domain == Domain::IPV4 || domain == Domain::IPV6) {
        set_nodelay(&socket);
    }
    Ok(connected(socket))
}
