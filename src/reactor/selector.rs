//! The first seam: what the loop asks of whatever waits for readiness.
//!
//! An implementation supplies five things: registering a descriptor (edge-triggered, both directions, once), asking
//! anew what a registered one is ready for, taking it out again, waiting for events, and a bell that another thread
//! may ring. `mio` and the operating system stand behind one implementation, a simulation may stand behind another.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

/// Names a registration in the selector's events: a seat of the reactor's table, and which holder of that seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    pub(crate) fn new(index: u32, generation: u32) -> Self {
        Token { index, generation }
    }

    /// The token as one number, for a selector that can carry a number with each registration.
    #[inline]
    pub fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The token that [`to_bits`](Token::to_bits) made this number of.
    #[inline]
    pub fn from_bits(bits: u64) -> Self {
        Token { index: bits as u32, generation: (bits >> 32) as u32 }
    }

    #[inline]
    pub(crate) fn index(self) -> u32 {
        self.index
    }

    #[inline]
    pub(crate) fn generation(self) -> u32 {
        self.generation
    }
}

/// What an event says of a descriptor. Bits are hints: a spurious one costs an attempt that finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness(u8);

impl Readiness {
    /// Nothing.
    pub const NONE: Readiness = Readiness(0);
    /// Something may be received, an end of stream or an error included.
    pub const READABLE: Readiness = Readiness(1);
    /// Something may be sent, if only to find out what is wrong.
    pub const WRITABLE: Readiness = Readiness(2);
    /// The peer has ended its side or the connection failed: a short receive does not mean that nothing more comes.
    pub const HANG_UP: Readiness = Readiness(4);

    /// Whether all bits of `other` are set.
    #[inline]
    pub fn contains(self, other: Readiness) -> bool {
        self.0 & other.0 == other.0
    }

    /// These bits and those of `other`.
    #[inline]
    #[must_use]
    pub fn with(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }

    /// Those bits that `other` has too.
    #[inline]
    #[must_use]
    pub(crate) fn and(self, other: Readiness) -> Readiness {
        Readiness(self.0 & other.0)
    }

    /// These bits without those of `other`.
    #[inline]
    #[must_use]
    pub fn without(self, other: Readiness) -> Readiness {
        Readiness(self.0 & !other.0)
    }
}

/// What one poll brought.
#[derive(Debug, Default)]
pub struct Events {
    list: Vec<(Token, Readiness)>,
}

impl Events {
    /// Adds an event.
    #[inline]
    pub fn push(&mut self, token: Token, readiness: Readiness) {
        self.list.push((token, readiness));
    }

    #[inline]
    pub(super) fn list(&self) -> &[(Token, Readiness)] {
        &self.list
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }
}

/// Waits for readiness. Descriptors are numbers here, since a simulation invents its own.
pub trait Selector {
    /// Watches a descriptor for both directions, edge-triggered, until it is deregistered or closed.
    ///
    /// # Errors
    ///
    /// Whatever the system says; nothing is registered then.
    fn register(&mut self, fd: RawFd, token: Token) -> io::Result<()>;

    /// Asks anew about a descriptor that is registered: from now on for `interest` alone (one direction or both, never
    /// none), under `token`. What it is ready for already comes as an event of the next poll, as if it had just
    /// become so.
    ///
    /// # Errors
    ///
    /// [`NotFound`](io::ErrorKind::NotFound) if it is not registered, where the system knows that. A selector that
    /// cannot ask anew has no [`add_reader`](crate::LoopHandle::add_reader) and nothing that is built on it.
    fn reregister(&mut self, fd: RawFd, token: Token, interest: Readiness) -> io::Result<()> {
        let _ = (fd, token, interest);
        Err(io::Error::new(io::ErrorKind::Unsupported, "this selector cannot ask anew"))
    }

    /// Watches a descriptor no longer.
    ///
    /// # Errors
    ///
    /// If it was not watched.
    fn deregister(&mut self, fd: RawFd) -> io::Result<()>;

    /// Waits until something is ready, the bell rings or `timeout` has passed (`None` is for ever), rounding the
    /// timeout up, and adds what came to `events`. Returns whether anything came, the bell included. An interruption by
    /// a signal is no event and no error.
    ///
    /// # Errors
    ///
    /// Whatever the system says; the loop cannot go on then.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Events) -> io::Result<bool>;

    /// A bell that ends the current or the next wait.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    fn bell(&mut self) -> io::Result<Box<dyn Bell>>;

    /// A duplicate of the descriptor that becomes readable when a poll would bring something.
    ///
    /// # Errors
    ///
    /// If there is none, or the system has no descriptor left.
    fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this selector has no descriptor"))
    }
}

/// Ends a selector's wait, from any thread.
pub trait Bell: Send + Sync {
    /// Rings. Rings before the wait count; several are one.
    ///
    /// # Errors
    ///
    /// If it cannot ring. The loop is not woken then, and the bell is rung again for whatever comes next from another
    /// thread.
    fn ring(&self) -> io::Result<()>;
}
