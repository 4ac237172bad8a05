//! What a transport drives: something that bytes go through.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, RawFd};
use std::rc::Rc;

/// What a connection's bytes go through, mostly both ways. Nothing here may block, or call the loop.
///
/// A transport has the type of its conduit for a parameter, so that what it does for every message is compiled in one
/// piece with it.
pub trait Conduit: 'static {
    /// Receives. Zero says that the peer has ended its side.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there now. After any other error the connection is lost.
    fn recv(&self, into: &mut [u8]) -> io::Result<usize>;

    /// Sends as much as can be taken now.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if that is nothing. After any other error nothing more is sent.
    fn send(&self, data: &[u8]) -> io::Result<usize>;

    /// Sends several pieces, in order, as one [`send`](Conduit::send) of them all would.
    ///
    /// # Errors
    ///
    /// As [`send`](Conduit::send).
    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Ends our side: the peer receives what was sent, and then the end.
    ///
    /// # Errors
    ///
    /// If the peer can be told nothing any more.
    fn shutdown_write(&self) -> io::Result<()>;

    /// When it is dropped the peer is told by an error, if the kind of connection has one for that, that what it
    /// received is not all.
    fn reset_on_close(&self) {}

    /// The number under which a selector watches it.
    fn fd(&self) -> RawFd;

    /// The socket, where there is one.
    fn socket(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        None
    }

    /// The pipe, where it is one.
    fn pipe(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        None
    }

    /// Which ways bytes can go.
    fn ways(&self) -> Ways {
        Ways::Both
    }

    /// Whether the selector is not to watch it, because an attempt never has to wait, as at some devices. Of the conduits
    /// of this crate those in memory are not watched either: their ends tell each other what has become ready.
    fn is_unwatched(&self) -> bool {
        false
    }
}

/// Which ways bytes can go through a [`Conduit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    /// They arrive and leave.
    Both,
    /// They only arrive: nothing can be written, and after their end there is nothing more to do.
    In,
    /// They only leave. What is received is that nobody reads any more: the end of the stream.
    Out,
}
