//! The conduit, which carries a connection's bytes and is driven by a transport.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, RawFd};
use std::rc::Rc;

/// Carries a connection's bytes, usually both ways. No method may block or call the loop.
///
/// A transport is generic over its conduit, so that the code that runs for every message is compiled for that type.
pub trait Conduit: 'static {
    /// Receives bytes. Zero means that the peer has ended its side.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there now. After any other error the connection is lost.
    fn recv(&self, into: &mut [u8]) -> io::Result<usize>;

    /// Sends as many bytes as can be taken now.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if none can be taken. After any other error nothing more is sent.
    fn send(&self, data: &[u8]) -> io::Result<usize>;

    /// Sends several pieces in order, as a single [`send`](Conduit::send) of all of them would.
    ///
    /// # Errors
    ///
    /// As for [`send`](Conduit::send).
    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ends our side: the peer receives the bytes that were sent, and then the end.
    ///
    /// # Errors
    ///
    /// If the peer can no longer be told.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Makes dropping the conduit tell the peer, by an error such as a reset, that what it received is not all. Does
    /// nothing if the kind of connection has no such error.
    fn reset_on_close(&self) {}

    /// The number under which a selector watches the conduit.
    fn fd(&self) -> RawFd;

    /// The socket, if there is one.
    fn socket(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        None
    }

    /// The pipe, if the conduit is one.
    fn pipe(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        None
    }

    /// Which ways bytes can go.
    fn ways(&self) -> Ways {
        Ways::Both
    }

    /// Whether the selector is not to watch the conduit, because an attempt never has to wait, as with some devices.
    /// This crate's conduits in memory are not watched either: their ends tell each other what has become ready.
    fn is_unwatched(&self) -> bool {
        false
    }
}

/// Which ways bytes can go through a [`Conduit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// Bytes arrive and leave.
    Both,
    /// Bytes only arrive: nothing can be written, and after their end there is nothing more to do.
    In,
    /// Bytes only leave. The only thing received is the end of the stream, when the reader is gone.
    Out,
}
