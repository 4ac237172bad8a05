//! Connected sockets: one attempt, or a race of several.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::constants::UNIX_RETRY;
use crate::event_loop::LoopHandle;
use crate::interface::Address;
use crate::net::client::ConnectError;
use crate::net::client::race::race;
use crate::net::connection::{family_of, prepare};
use crate::net::system::watch::Watch;
use crate::reactor::Direction;
use crate::time::sleep;

/// Races the addresses for a connected socket. Where local addresses are given, each attempt binds to the first one
/// of its family that it can.
pub(crate) async fn dial(
    event_loop: &LoopHandle,
    addresses: &[SocketAddr],
    local: &[SocketAddr],
    delay: Option<Duration>,
) -> io::Result<Socket> {
    let attempts = addresses.iter().map(|&address| dial_one(event_loop, address, local)).collect();
    match race(attempts, delay).await {
        Ok(socket) => Ok(socket),
        Err(errors) => Err(ConnectError { attempts: addresses.iter().copied().zip(errors).collect() }.into()),
    }
}

async fn dial_one(event_loop: &LoopHandle, address: SocketAddr, local: &[SocketAddr]) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket)?;
    set_nodelay(&socket);
    if !local.is_empty() {
        bind_local(&socket, address, local)?;
    }
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => return Ok(socket),
        Err(error) if is_in_progress(&error) => {}
        Err(error) => return Err(error),
    }
    // Declared after the socket, so dropped before it: the selector lets go before the descriptor is closed.
    let watch = Watch::new(event_loop, socket.as_raw_fd())?;
    loop {
        watch.ready(Direction::Write).await;
        if let Some(error) = socket.take_error()? {
            return Err(error);
        }
        // Readiness is a hint: only a peer says that there is one.
        if socket.peer_addr().is_ok() {
            drop(watch);
            return Ok(socket);
        }
        watch.exhausted(Direction::Write);
    }
}

fn bind_local(socket: &Socket, address: SocketAddr, local: &[SocketAddr]) -> io::Result<()> {
    let mut failed = None;
    for &candidate in local.iter().filter(|candidate| candidate.is_ipv4() == address.is_ipv4()) {
        match socket.bind(&SockAddr::from(candidate)) {
            Ok(()) => return Ok(()),
            Err(error) => failed = Some(io::Error::new(error.kind(), format!("cannot bind to {candidate}: {error}"))),
        }
    }
    Err(failed.unwrap_or_else(|| {
        let text = format!("no local address of the family of {address} was given");
        io::Error::new(io::ErrorKind::AddrNotAvailable, text)
    }))
}

/// Connects to a Unix server. One whose queue is full is asked again, as a blocking connect would wait.
pub(crate) async fn dial_unix(path: &Path) -> io::Result<Socket> {
    let failed = |error: io::Error| {
        let text = format!("connect to {} failed: {error}", path.display());
        io::Error::new(error.kind(), text)
    };
    let address = Address::unix(path).map_err(failed)?.to_sock_addr();
    let mut pause = Duration::from_millis(1);
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        prepare(&socket)?;
        match socket.connect(&address) {
            Ok(()) => return Ok(socket),
            // Nothing says when there is room: the socket would even count as writable.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(failed(error)),
        }
        drop(socket);
        sleep(pause).await;
        pause = (pause * 2).min(UNIX_RETRY);
    }
}

/// Takes a socket that the caller made. Whether it is connected is found out by using it.
pub(crate) fn adopt(socket: Socket) -> io::Result<Socket> {
    if socket.r#type()? != Type::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a stream socket was expected"));
    }
    prepare(&socket)?;
    set_nodelay(&socket);
    Ok(socket)
}

fn set_nodelay(socket: &Socket) {
    // A Unix socket has no such option, and a reset connection no longer: neither is a reason to fail.
    let inet = family_of(socket).is_ok_and(|domain| domain == Domain::IPV4 || domain == Domain::IPV6);
    if inet {
        if let Err(error) = socket.set_tcp_nodelay(true) {
            log::debug!("TCP_NODELAY: {error}");
        }
    }
}

/// `EINPROGRESS` has no `ErrorKind` in stable Rust: it is told by its numbers on Linux and on the BSDs.
fn is_in_progress(error: &io::Error) -> bool {
    let number = if cfg!(any(target_os = "linux", target_os = "android")) { 115 } else { 36 };
    error.raw_os_error() == Some(number)
}
