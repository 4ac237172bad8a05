//! A connected socket as a conduit, and the settings that all sockets of a loop need.

use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::raw::c_int;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket};

use crate::interface::Address;
use crate::net::port::{Conduit, Connected};

/// A send to a peer that is gone must be an error, not a signal that kills the process. std takes care of that for
/// plain writes but not for vectored ones, so all our sends pass this flag.
#[cfg(not(target_vendor = "apple"))]
pub(super) const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;
/// Apple's systems have a socket option for this instead, which [`prepare`] sets.
#[cfg(target_vendor = "apple")]
pub(super) const NO_SIGNAL: c_int = 0;

/// Prepares a new socket for a loop.
pub(super) fn prepare(socket: &Socket) -> io::Result<()> {
    prepare_accepted(socket)?;
    socket.set_nonblocking(true)
}

/// Prepares an accepted socket, which is already non-blocking, for a loop.
#[cfg_attr(not(target_vendor = "apple"), expect(clippy::unnecessary_wraps, reason = "on Apple's systems it can fail"))]
pub(super) fn prepare_accepted(socket: &Socket) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    let _ = socket;
    Ok(())
}

/// The family of a socket's addresses. The socket's name has it on every system, its options only on Linux.
pub(super) fn family_of(socket: &Socket) -> io::Result<Domain> {
    Ok(socket.local_addr()?.domain())
}

/// Makes the socket send small segments at once: the bytes of one step must not wait for an acknowledgement of earlier
/// ones.
pub(super) fn set_nodelay(socket: &Socket) {
    // A connection that the peer has reset no longer has this option. The first receive will report the reset.
    if let Err(error) = socket.set_tcp_nodelay(true) {
        log::debug!("TCP_NODELAY could not be set: {error}");
    }
}

pub(super) fn peername(socket: SockRef<'_>) -> Option<Address> {
    socket.peer_addr().ok().and_then(Address::from_sock_addr)
}

pub(super) fn sockname(socket: SockRef<'_>) -> Option<Address> {
    socket.local_addr().ok().and_then(Address::from_sock_addr)
}

/// A connection with the socket's names.
pub(super) fn connected(socket: Socket) -> Connected {
    let (peer, local) = (peername(SockRef::from(&socket)), sockname(SockRef::from(&socket)));
    Connected::new(socket).with_names(peer, local.map(Rc::new))
}

impl Conduit for Socket {
    #[inline]
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut socket = self;
        socket.read(into)
    }

    #[inline]
    fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_with_flags(data, NO_SIGNAL)
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send_vectored_with_flags(pieces, NO_SIGNAL)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn reset_on_close(&self) {
        // The system refuses this for a connection that is already broken, and whose peer knows that.
        if let Err(error) = self.set_linger(Some(Duration::ZERO)) {
            log::debug!("a connection with unsent bytes cannot be reset: {error}");
        }
    }

    fn fd(&self) -> RawFd {
        self.as_raw_fd()
    }

    fn socket(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        Some(self)
    }
}
