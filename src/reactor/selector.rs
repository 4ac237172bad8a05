//! The selector seam: what the loop needs from something that waits for readiness.
//!
//! An implementation registers a descriptor (edge-triggered, for both directions, once), registers it again,
//! deregisters it, waits for events, and makes a bell that another thread may ring. One implementation is built on
//! `mio`. A simulation may be another.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

/// Identifies a registration in the selector's events: a seat in the reactor's table, and a number that tells the
/// holders of that seat apart.
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

    /// The token whose [`to_bits`](Token::to_bits) is this number.
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

/// What an event reports about a descriptor. The bits are hints: a wrong one costs an attempt that finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readiness(u8);

impl Readiness {
    /// Nothing.
    pub const NONE: Readiness = Readiness(0);
    /// Something can be received: bytes, the end of the stream, or an error.
    pub const READABLE: Readiness = Readiness(1);
    /// Something can be sent, or sending would report an error.
    pub const WRITABLE: Readiness = Readiness(2);
    /// The peer has ended its side, or the connection has failed. A short receive then does not mean that nothing is
    /// left.
    pub const HANG_UP: Readiness = Readiness(4);

    /// Whether all bits of `other` are set.
    #[inline]
    pub fn contains(self, other: Readiness) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[inline]
    #[must_use]
    pub fn with(self, other: Readiness) -> Readiness {
        Readiness(self.0 | other.0)
    }

    /// The bits that both have.
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

/// The events of one poll.
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

/// Waits for readiness. Descriptors are plain numbers, since a simulation makes up its own.
///
/// # Examples
///
/// A simulation in which every registered descriptor becomes ready once, at the next poll:
///
/// ```
/// use std::io;
/// use std::os::fd::RawFd;
/// use std::os::unix::net::UnixStream;
/// use std::time::Duration;
/// use waterwheel::{Bell, EventLoop, Events, Readiness, Selector, Token, open_connection};
///
/// #[derive(Default)]
/// struct Eager {
///     /// The registered descriptors, each with its token as a number.
///     registered: Vec<(RawFd, u64)>,
///     /// How many of these were reported.
///     reported: usize,
/// }
///
/// impl Selector for Eager {
///     fn register(&mut self, fd: RawFd, token: Token) -> io::Result<()> {
///         self.registered.push((fd, token.to_bits()));
///         Ok(())
///     }
///     fn deregister(&mut self, _fd: RawFd) -> io::Result<()> {
///         Ok(())
///     }
///     fn poll(&mut self, _timeout: Option<Duration>, events: &mut Events) -> io::Result<bool> {
///         let new = &self.registered[self.reported..];
///         for &(_, bits) in new {
///             events.push(Token::from_bits(bits), Readiness::READABLE.with(Readiness::WRITABLE));
///         }
///         let came = !new.is_empty();
///         self.reported = self.registered.len();
///         Ok(came)
///     }
///     fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
///         Ok(Box::new(Silent))
///     }
/// }
///
/// /// This simulation never waits, so there is no wait to end.
/// struct Silent;
///
/// impl Bell for Silent {
///     fn ring(&self) -> io::Result<()> {
///         Ok(())
///     }
/// }
///
/// let (ours, theirs) = UnixStream::pair()?;
/// io::Write::write_all(&mut &theirs, b"hello")?;
/// let mut event_loop = EventLoop::builder().selector(Box::<Eager>::default()).build()?;
/// let data = event_loop.run(async {
///     let (mut reader, _writer) = open_connection(ours).await?;
///     reader.read(100).await
/// })?;
/// assert_eq!(data, b"hello");
/// # Ok::<(), io::Error>(())
/// ```
pub trait Selector {
    /// Registers a descriptor for both directions, edge-triggered, until it is deregistered or closed.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses; the descriptor is then not registered.
    fn register(&mut self, fd: RawFd, token: Token) -> io::Result<()>;

    /// Registers a registered descriptor again, only for `interest` (one direction or both, never none), and with
    /// `token`. If it is ready already, the next poll reports an event, as if it had just become ready.
    ///
    /// # Errors
    ///
    /// Fails with [`NotFound`](io::ErrorKind::NotFound) if the descriptor is not registered and the system detects
    /// that. A selector that does not implement this fails with `Unsupported`; then
    /// [`add_reader`](crate::LoopHandle::add_reader) and the methods built on it fail, too.
    fn reregister(&mut self, fd: RawFd, token: Token, interest: Readiness) -> io::Result<()> {
        let _ = (fd, token, interest);
        Err(io::Error::new(io::ErrorKind::Unsupported, "this selector cannot register a descriptor again"))
    }

    /// Deregisters a descriptor.
    ///
    /// # Errors
    ///
    /// Fails if the descriptor is not registered.
    fn deregister(&mut self, fd: RawFd) -> io::Result<()>;

    /// Waits until something is ready, the bell rings or `timeout` has passed (`None` is for ever), and adds the events
    /// to `events`. The timeout must be rounded up. Returns whether anything came; a ring of the bell counts. An
    /// interruption by a signal is neither an event nor an error.
    ///
    /// # Errors
    ///
    /// Fails if waiting fails; the loop then panics, since it cannot go on.
    fn poll(&mut self, timeout: Option<Duration>, events: &mut Events) -> io::Result<bool>;

    /// A bell, which ends the current or the next wait.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses.
    fn bell(&mut self) -> io::Result<Box<dyn Bell>>;

    /// A duplicate of the selector's descriptor, which is readable when a poll would return events.
    ///
    /// # Errors
    ///
    /// Fails if the selector has no descriptor, or the system has none left.
    fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this selector has no descriptor"))
    }
}

/// Ends a selector's wait from any thread.
pub trait Bell: Send + Sync {
    /// Rings. A ring before the wait ends that wait. Several rings may count as one.
    ///
    /// # Errors
    ///
    /// Fails if it cannot ring. The loop is then not woken, and the next callback or wake that another thread sends
    /// rings again.
    fn ring(&self) -> io::Result<()>;
}
