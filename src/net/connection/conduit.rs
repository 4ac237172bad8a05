//! The third seam: what moves bytes.
//!
//! A [`Conduit`] supplies seven things: receive, send, send in pieces, end our side, make its close a reset, the names of
//! both ends, and the number under which a selector watches it. An [`Acceptor`] supplies conduits. The operating system's sockets stand
//! behind one implementation of each, a simulated network may stand behind another; nothing above tells them apart.
//!
//! A transport has the type of its conduit for a parameter, so that what it does for every message is compiled in one
//! piece with it. What happens once for each connection takes conduits of all kinds.

use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::raw::c_int;
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket};

use crate::interface::Address;

/// A connection, mostly of both directions. Nothing here blocks or calls user code.
pub(crate) trait Conduit {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize>;
    fn send(&self, data: &[u8]) -> io::Result<usize>;
    fn send_pieces(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;
    fn shutdown_write(&self) -> io::Result<()>;
    /// When it is closed the peer is told by an error, where there is one for that, that what it got is not all.
    fn reset_on_close(&self) {}
    fn peername(&self) -> Option<Address>;
    fn sockname(&self) -> Option<Address>;
    fn fd(&self) -> RawFd;
    /// The socket, where it is one.
    fn socket(self: Rc<Self>) -> Option<Rc<dyn AsFd>>;
    /// Which ways bytes can go.
    fn ways(&self) -> Ways {
        Ways::Both
    }
    /// Whether an attempt never has to wait, so that no selector can say when one is worth it.
    fn is_always_ready(&self) -> bool {
        false
    }
}

/// Which ways bytes can go through a conduit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ways {
    Both,
    /// They only arrive: nothing can be written, and after their end there is nothing more to do.
    In,
    /// They only leave. What is received is that nobody reads any more: the end of the stream.
    Out,
}

/// Sends to a peer that is gone must be an error, not a signal that kills the process. std sees to that for plain
/// writes but not for vectored ones, so all our sends say it themselves.
pub(crate) const NO_SIGNAL: c_int = if cfg!(any(target_os = "linux", target_os = "android")) {
    0x4000
} else if cfg!(target_os = "freebsd") {
    0x2_0000
} else if cfg!(any(target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly")) {
    0x400
} else {
    0 // Apple's systems have a socket option instead; see `prepare`.
};

/// Makes a new socket fit for a loop.
pub(crate) fn prepare(socket: &Socket) -> io::Result<()> {
    #[cfg(target_vendor = "apple")]
    socket.set_nosigpipe(true)?;
    socket.set_nonblocking(true)
}

/// What kind of addresses a socket has. Its name says that on every system, and its options only on Linux.
pub(crate) fn family_of(socket: &Socket) -> io::Result<Domain> {
    Ok(socket.local_addr()?.domain())
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

    fn send_pieces(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send_vectored_with_flags(pieces, NO_SIGNAL)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn reset_on_close(&self) {
        // The system refuses it for a connection that is broken already, whose peer has heard of that.
        if let Err(error) = self.set_linger(Some(Duration::ZERO)) {
            log::debug!("a connection with unsent bytes cannot be reset: {error}");
        }
    }

    fn peername(&self) -> Option<Address> {
        self.peer_addr().ok().and_then(Address::from_sock_addr)
    }

    fn sockname(&self) -> Option<Address> {
        self.local_addr().ok().and_then(Address::from_sock_addr)
    }

    fn fd(&self) -> RawFd {
        self.as_raw_fd()
    }

    fn socket(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        Some(self)
    }
}

/// Where connections come from.
pub(crate) trait Acceptor {
    /// The next connection, with its peer's name.
    fn accept(&self) -> io::Result<(Rc<Socket>, Option<Address>)>;
    fn sockname(&self) -> Option<Address>;
    fn fd(&self) -> RawFd;
    /// The same listening socket once more.
    fn try_clone(&self) -> io::Result<Socket>;
}

impl Acceptor for mio::net::TcpListener {
    fn accept(&self) -> io::Result<(Rc<Socket>, Option<Address>)> {
        // mio's accept makes the socket non-blocking in the same system call.
        let (stream, peer) = mio::net::TcpListener::accept(self)?;
        let socket = Socket::from(std::net::TcpStream::from(stream));
        // It fails when the peer has reset the connection already; the first receive will say so.
        if let Err(error) = socket.set_tcp_nodelay(true) {
            log::debug!("TCP_NODELAY of an accepted connection from {peer}: {error}");
        }
        #[cfg(target_vendor = "apple")]
        socket.set_nosigpipe(true)?;
        Ok((Rc::new(socket), Some(Address::Inet(peer))))
    }

    fn sockname(&self) -> Option<Address> {
        self.local_addr().ok().map(Address::Inet)
    }

    fn fd(&self) -> RawFd {
        self.as_raw_fd()
    }

    fn try_clone(&self) -> io::Result<Socket> {
        Ok(self.as_fd().try_clone_to_owned()?.into())
    }
}

impl Acceptor for mio::net::UnixListener {
    fn accept(&self) -> io::Result<(Rc<Socket>, Option<Address>)> {
        let (stream, _) = mio::net::UnixListener::accept(self)?;
        let socket = Socket::from(OwnedFd::from(stream));
        #[cfg(target_vendor = "apple")]
        socket.set_nosigpipe(true)?;
        let peer = socket.peername();
        Ok((Rc::new(socket), peer))
    }

    fn sockname(&self) -> Option<Address> {
        SockRef::from(self).local_addr().ok().and_then(Address::from_sock_addr)
    }

    fn fd(&self) -> RawFd {
        self.as_raw_fd()
    }

    fn try_clone(&self) -> io::Result<Socket> {
        Ok(self.as_fd().try_clone_to_owned()?.into())
    }
}
