//! Connected sockets: one attempt, or a race of several.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::constants::UNIX_RETRY;
use crate::errors::find_in;
use crate::event_loop::LoopHandle;
use crate::interface::Address;
use crate::net::bind::is_unavailable;
use crate::net::conduit::{family_of, prepare};
use crate::net::race::race;
use crate::net::watch::Watch;
use crate::reactor::Direction;
use crate::time::sleep;

/// No address could be connected to: each that was tried, with what went wrong. It is inside the `io::Error` that the
/// attempt to connect gives; take it out with [`ConnectError::of`].
///
/// The `io::Error` has the kind of all attempts, if they agree, else `Other`. Attempts at a family of addresses that
/// this machine cannot use at all do not count, unless there were no others.
#[derive(Debug)]
#[doc(alias = "all_errors")]
pub struct ConnectError {
    attempts: Vec<(SocketAddr, io::Error)>,
}

impl ConnectError {
    /// The addresses in the order in which they were tried, each with its error.
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.attempts
    }

    /// The failed attempts in `error`, if they are in it, however deep.
    pub fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a ConnectError> {
        find_in(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (address, error)) in self.attempts.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}connect to {address} failed: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.attempts.first().map(|(_, error)| error as _)
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        io::Error::new(common_kind(&error.attempts), error)
    }
}

/// The kind of all attempts, if they agree; a race that failed in several ways has none in particular.
///
/// A family of addresses of which no attempt got beyond this machine says nothing of the host: many machines have no
/// IPv6, and there `localhost` is refused at one address and cannot be tried at the other. Such attempts count only
/// where there are no others.
fn common_kind(attempts: &[(SocketAddr, io::Error)]) -> io::ErrorKind {
    let is_usable = |ipv4: bool| attempts.iter().any(|(to, error)| to.is_ipv4() == ipv4 && !is_out_of_reach(error));
    let usable = [is_usable(true), is_usable(false)];
    let counts = |to: &SocketAddr| usable == [false, false] || usable[usize::from(!to.is_ipv4())];
    let mut kinds = attempts.iter().filter(|(to, _)| counts(to)).map(|(_, error)| error.kind());
    let first = kinds.next().unwrap_or(io::ErrorKind::Other);
    if kinds.all(|kind| kind == first) { first } else { io::ErrorKind::Other }
}

/// There is no way from this machine to the address.
fn is_out_of_reach(error: &io::Error) -> bool {
    is_unavailable(error) || error.kind() == io::ErrorKind::NetworkUnreachable
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind of an error that such attempts make.
    fn kind_of(attempts: &[(&str, io::Error)]) -> io::ErrorKind {
        let again = |error: &io::Error| match error.raw_os_error() {
            Some(number) => io::Error::from_raw_os_error(number),
            None => error.kind().into(),
        };
        let attempts = attempts.iter().map(|(to, error)| (SocketAddr::new(to.parse().unwrap(), 1), again(error)));
        io::Error::from(ConnectError { attempts: attempts.collect() }).kind()
    }

    #[test]
    fn a_family_that_the_machine_lacks_does_not_count() {
        use io::ErrorKind::{
            AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, Other, TimedOut,
        };
        let no_family = || io::Error::from_raw_os_error(if cfg!(target_os = "linux") { 97 } else { 47 });
        let refused = || io::Error::from(ConnectionRefused);
        for lacking in [no_family(), AddrNotAvailable.into(), NetworkUnreachable.into()] {
            let kind = lacking.kind();
            let again = || if kind == no_family().kind() { no_family() } else { io::Error::from(kind) };
            assert_eq!(kind_of(&[("127.0.0.1", refused()), ("::1", again())]), ConnectionRefused, "{lacking}");
            assert_eq!(kind_of(&[("::1", again()), ("127.0.0.1", refused())]), ConnectionRefused, "{lacking}");
            assert_eq!(kind_of(&[("127.0.0.1", again()), ("::1", refused())]), ConnectionRefused, "{lacking}");
            let mixed = [("127.0.0.1", refused()), ("127.0.0.2", TimedOut.into()), ("::1", again())];
            assert_eq!(kind_of(&mixed), Other, "{lacking}");
            // Nobody else has anything to say.
            assert_eq!(kind_of(&[("::1", again())]), kind, "{lacking}");
            assert_eq!(kind_of(&[("127.0.0.1", again()), ("::1", again())]), kind, "{lacking}");
        }
        // The family is there, and one of its addresses cannot be reached: that is an answer as any other.
        let reached = [("127.0.0.1", refused()), ("192.0.2.1", NetworkUnreachable.into())];
        assert_eq!(kind_of(&reached), Other);
        assert_eq!(kind_of(&[("127.0.0.1", refused()), ("::1", HostUnreachable.into())]), Other);
        assert_eq!(kind_of(&[]), Other);
    }
}
