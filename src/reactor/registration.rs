//! From edges to levels: an edge-triggered event becomes a readiness bit here, which stays set.
//!
//! Rule 1: a bit is set by an event, or by [`Registration::believe_ready`] if no event will come, and cleared only by
//! an attempt that found nothing left ([`Registration::exhausted`]). Rule 2: a descriptor is never registered again. If
//! a source stops before such an attempt, the bit stays set, and is found when the source [wants](Registration::want)
//! that direction again. So no event is lost.
//!
//! One kind of source cannot follow rule 2, since it makes no attempts: a descriptor that the user reads and writes. It
//! is registered again after each event, by [`Reactor::rearm`](super::Reactor::rearm).

use std::cell::Cell;
use std::fmt;

use crate::reactor::{Readiness, Token};

/// The direction in which bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    #[inline]
    fn bit(self) -> Readiness {
        match self {
            Direction::Read => Readiness::READABLE,
            Direction::Write => Readiness::WRITABLE,
        }
    }
}

/// Whether a source that was called is to be called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Only after the next event, or when it wants the direction again.
    No,
    /// In the next turn: the source stopped early, so that others can run.
    NextTurn,
}

/// Something that becomes ready from time to time. Only a turn calls it.
pub(crate) trait Source {
    fn registration(&self) -> &Registration;

    /// Called when it is ready in a direction that it wants.
    fn on_ready(&self, direction: Direction) -> Again;

    /// Runs the source when it comes out of the ready queue, unless it must not be called any more. Returns whether it
    /// is to be queued again. Each type of source has its own copy of this code, so that a turn makes one dynamic call
    /// and not three. Each direction has its own copy, too, which saves each message 3 to 5 instructions.
    #[inline]
    fn run_queued(&self, direction: Direction) -> bool {
        match direction {
            Direction::Read => run(self, Direction::Read),
            Direction::Write => run(self, Direction::Write),
        }
    }

    /// Called when the loop closes. Drops everything that the source owns, without calling user code other than
    /// destructors.
    fn let_go(&self);

    /// The name of the source in a trace.
    fn label(&self) -> String;

    /// Describes the source in one line, for reports.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

#[inline(always)]
fn run(source: &(impl Source + ?Sized), direction: Direction) -> bool {
    let registration = source.registration();
    registration.leave_queue(direction)
        && source.on_ready(direction) == Again::NextTurn
        && registration.take_due(direction)
}

/// The state of a watched descriptor: its readiness, and what its source wants. It is a part of the source, so that
/// calling a source needs no look-up in a table.
pub(crate) struct Registration {
    token: Cell<Option<Token>>,
    ready: Cell<Readiness>,
    wanted: Cell<Readiness>,
    /// The directions for which the source is in the ready queue. Invariant: it is there at most once for each.
    queued: Cell<Readiness>,
}

impl Registration {
    /// A registration that counts as writable, since a new socket is: the first write is tried without waiting for an
    /// event.
    pub(crate) fn new() -> Self {
        Registration {
            token: Cell::new(None),
            ready: Cell::new(Readiness::WRITABLE),
            wanted: Cell::new(Readiness::NONE),
            queued: Cell::new(Readiness::NONE),
        }
    }

    /// A registration that counts as ready only after an event.
    pub(crate) fn unready() -> Self {
        let registration = Registration::new();
        registration.exhausted(Direction::Write);
        registration
    }

    /// Says that a short receive does not mean that nothing is left: a terminal gives one line and a packet socket one
    /// packet at a time. The hang-up bit has this effect, so it is set.
    pub(crate) fn doubt_short_receives(&self) {
        self.ready.set(self.ready.get().with(Readiness::HANG_UP));
    }

    /// Counts the descriptor as ready without an event, so that an attempt is made.
    pub(crate) fn believe_ready(&self, direction: Direction) {
        self.ready.set(self.ready.get().with(direction.bit()));
    }

    pub(super) fn set_token(&self, token: Token) {
        self.token.set(Some(token));
    }

    /// Takes the token out, so that the source is not watched any more. The directions that it wants do not change.
    pub(super) fn take_token(&self) -> Option<Token> {
        self.token.take()
    }

    /// Takes over the token and the readiness of another registration.
    pub(super) fn inherit(&self, from: &Registration) -> Option<Token> {
        let token = from.take_token()?;
        self.token.set(Some(token));
        self.ready.set(self.ready.get().with(from.ready.get()));
        Some(token)
    }

    /// The token and the directions that are wanted. `None` if there is no token, or no direction is wanted.
    pub(super) fn token_and_wanted(&self) -> Option<(Token, Readiness)> {
        let wanted = self.wanted.get();
        self.token.get().filter(|_| wanted != Readiness::NONE).map(|token| (token, wanted))
    }

    /// Sets the readiness that an event reported. Returns the directions for which the caller must queue the source.
    #[inline]
    #[must_use]
    pub(super) fn note_event(&self, readiness: Readiness) -> Readiness {
        let ready = self.ready.get().with(readiness);
        self.ready.set(ready);
        let queued = self.queued.get();
        let due = ready.and(self.wanted.get()).without(queued);
        self.queued.set(queued.with(due));
        due
    }

    /// The source wants to be called when it is ready. Returns whether the caller must queue the source now.
    #[inline]
    #[must_use]
    pub(crate) fn want(&self, direction: Direction) -> bool {
        self.wanted.set(self.wanted.get().with(direction.bit()));
        self.take_due(direction)
    }

    /// Whether the source wants to be called when it is ready in this direction.
    pub(crate) fn wants(&self, direction: Direction) -> bool {
        self.wanted.get().contains(direction.bit())
    }

    /// The source does not want to be called any more, even if it is in the queue.
    #[inline]
    pub(crate) fn unwant(&self, direction: Direction) {
        self.wanted.set(self.wanted.get().without(direction.bit()));
    }

    /// The source does not want to be called for any direction, even if it is in the queue.
    pub(crate) fn want_nothing(&self) {
        self.wanted.set(Readiness::NONE);
    }

    /// Returns whether the caller must queue the source now: it is ready in a direction that it wants, and not in the
    /// queue for it.
    #[inline]
    #[must_use]
    pub(crate) fn take_due(&self, direction: Direction) -> bool {
        let due = self.is_due(direction) && !self.queued.get().contains(direction.bit());
        if due {
            self.queued.set(self.queued.get().with(direction.bit()));
        }
        due
    }

    /// The source comes out of the queue. Returns whether it is still to be called.
    #[inline]
    pub(crate) fn leave_queue(&self, direction: Direction) -> bool {
        self.queued.set(self.queued.get().without(direction.bit()));
        self.is_due(direction)
    }

    #[inline]
    fn is_due(&self, direction: Direction) -> bool {
        self.ready.get().contains(direction.bit()) && self.wanted.get().contains(direction.bit())
    }

    #[inline]
    pub(crate) fn is_ready(&self, direction: Direction) -> bool {
        self.ready.get().contains(direction.bit())
    }

    /// An attempt found nothing left, so the source waits for the next event.
    #[inline]
    pub(crate) fn exhausted(&self, direction: Direction) {
        self.ready.set(self.ready.get().without(direction.bit()));
    }

    /// A receive did not fill its buffer, so nothing is left. After a hang-up this does not follow: there may be no
    /// further event, and only another receive finds the end.
    #[inline]
    pub(crate) fn received_short(&self) {
        if !self.ready.get().contains(Readiness::HANG_UP) {
            self.exhausted(Direction::Read);
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("ready", &self.ready.get())
            .field("wanted", &self.wanted.get())
            .field("queued", &self.queued.get())
            .finish()
    }
}

impl fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)
    }
}
