//! Bound sockets, for every internet address of a server.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::net::connection::{family_of, prepare};

/// The options of a listening socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SocketOptions {
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    pub(crate) keep_alive: bool,
}

/// Binds to every address. If one cannot be bound, none is; one that this machine does not have is passed over, as
/// long as another is left.
pub(crate) fn bind_all(addresses: &[SocketAddr], options: SocketOptions) -> io::Result<Vec<Socket>> {
    let mut bound = Vec::new();
    let mut missing = None;
    for &address in addresses {
        match bind(address, options) {
            Ok(socket) => bound.push(socket),
            Err(error) if is_unavailable(&error) => missing = Some((address, error)),
            Err(error) => return Err(cannot_bind(address, &error)),
        }
    }
    match missing {
        Some((address, error)) if bound.is_empty() => Err(cannot_bind(address, &error)),
        _ => Ok(bound),
    }
}

fn cannot_bind(address: SocketAddr, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot bind to {address}: {error}"))
}

/// The error is the system's own, whose number tells what it means.
fn bind(address: SocketAddr, options: SocketOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket)?;
    socket.set_reuse_address(options.reuse_address)?;
    socket.set_reuse_port(options.reuse_port)?;
    socket.set_keepalive(options.keep_alive)?;
    if address.is_ipv6() {
        // So that both families can have the same port.
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

/// This machine has no such address, or not even the family.
pub(crate) fn is_unavailable(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no `ErrorKind`: its number on Linux, and on the BSDs.
    const NO_FAMILY: i32 = if cfg!(any(target_os = "linux", target_os = "android")) { 97 } else { 47 };
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(NO_FAMILY)
}

/// Takes a socket that the caller made and bound.
pub(crate) fn adopt_listener(socket: Socket) -> io::Result<Socket> {
    check_listener(family_of(&socket)?, socket.r#type()?)?;
    prepare(&socket)?;
    Ok(socket)
}

/// mio fails to accept a connection whose peer's name is of another family, and that connection is lost.
fn check_listener(family: Domain, kind: Type) -> io::Result<()> {
    if kind != Type::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a stream socket was expected"));
    }
    if ![Domain::IPV4, Domain::IPV6, Domain::UNIX].contains(&family) {
        let text = "a listener of the internet or a Unix one was expected";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_family_that_this_machine_lacks_is_told_by_the_system_s_own_number() {
        let options = SocketOptions { reuse_address: true, reuse_port: false, keep_alive: false };
        // It belongs to no machine; it is only asked for.
        let error = bind("192.0.2.1:0".parse().unwrap(), options).unwrap_err();
        assert!(error.raw_os_error().is_some() && is_unavailable(&error), "{error:?}");
        let no_family = if cfg!(any(target_os = "linux", target_os = "android")) { 97 } else { 47 };
        assert!(is_unavailable(&io::Error::from_raw_os_error(no_family)));
        assert!(!is_unavailable(&io::ErrorKind::AddrInUse.into()));
    }

    #[test]
    fn listeners_are_streams_of_the_internet_or_unix_ones() {
        for family in [Domain::IPV4, Domain::IPV6, Domain::UNIX] {
            check_listener(family, Type::STREAM).unwrap();
            assert_eq!(check_listener(family, Type::DGRAM).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        // A family that no system has; that of virtual machines, where there is one, is no other case.
        assert_eq!(check_listener(Domain::from(250), Type::STREAM).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
