//! From edges to levels: the one place where an edge-triggered event becomes a lasting fact.
//!
//! Rule 1: a readiness bit is set by an event, or by [`Registration::believe_ready`] where no event can be waited for,
//! and cleared only by the attempt that found nothing left ([`Registration::exhausted`]). Rule 2: nobody asks the
//! selector again; whoever stops before that attempt leaves the bit set, and being [`wanted`](Registration::want) again
//! later finds it. So no stop loses an edge.
//!
//! One kind of source cannot follow these rules, since it makes no attempts: a descriptor that its user reads, out of
//! our sight. Only there is the selector asked again, by [`Reactor::ask_anew`](super::Reactor::ask_anew).

use std::cell::Cell;
use std::fmt;

use crate::reactor::{Readiness, Token};

/// Which way bytes go.
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

/// What a source that was called says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Nothing more to do until the next event, or until it is wanted again.
    No,
    /// It stopped early, out of fairness, and wants to be called in the next turn.
    NextTurn,
}

/// Something watched by the reactor. Only a turn calls it.
pub(crate) trait Source {
    fn registration(&self) -> &Registration;

    /// It is ready in a direction that it wants.
    fn ready(&self, direction: Direction) -> Again;

    /// It comes out of the queue: what is still to be done is done. Returns whether it goes back into the queue. Each
    /// source has its own copy of this, so that the turn makes one call.
    #[inline]
    fn run_queued(&self, direction: Direction) -> bool {
        let registration = self.registration();
        registration.dequeued(direction) && self.ready(direction) == Again::NextTurn && registration.take_due(direction)
    }

    /// The loop closes: close what is owned and let go of everything, without calling any user code but drops.
    fn let_go(&self);

    /// A line for reports.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// What is known of one watched descriptor. It is embedded in the source, so that the path from an event to the
/// source's own code reads no table twice.
pub(crate) struct Registration {
    token: Cell<Option<Token>>,
    ready: Cell<Readiness>,
    wanted: Cell<Readiness>,
    /// The directions for which the source stands in the ready queue. Invariant: at most once each.
    queued: Cell<Readiness>,
}

impl Registration {
    /// A registration that believes the descriptor to be writable, as a new socket is: the first write is tried
    /// before anything is waited for.
    pub(crate) fn new() -> Self {
        Registration {
            token: Cell::new(None),
            ready: Cell::new(Readiness::WRITABLE),
            wanted: Cell::new(Readiness::NONE),
            queued: Cell::new(Readiness::NONE),
        }
    }

    /// A registration of which nothing is believed before an event says it.
    pub(crate) fn unready() -> Self {
        let registration = Registration::new();
        registration.exhausted(Direction::Write);
        registration
    }

    /// Short receives say nothing here: a terminal gives a line at a time and a packet socket a packet, however much
    /// is waiting behind. It is what a hang-up means too.
    pub(crate) fn doubt_short_receives(&self) {
        self.ready.set(self.ready.get().with(Readiness::HANG_UP));
    }

    /// An attempt is worth making though no event has said so: because none would come, or before one can.
    pub(crate) fn believe_ready(&self, direction: Direction) {
        self.ready.set(self.ready.get().with(direction.bit()));
    }

    pub(super) fn watched_as(&self, token: Token) {
        self.token.set(Some(token));
    }

    /// It is watched no longer. What is wanted stays wanted.
    pub(super) fn unwatched(&self) -> Option<Token> {
        self.token.take()
    }

    /// Takes over the watch of another registration, which is unwatched by that, and what is known of the descriptor.
    pub(super) fn inherit(&self, from: &Registration) -> Option<Token> {
        let token = from.unwatched()?;
        self.token.set(Some(token));
        self.ready.set(self.ready.get().with(from.ready.get()));
        Some(token)
    }

    /// The token and the directions that are wanted; `None` where there are none, or nothing is watched.
    pub(super) fn token_and_wanted(&self) -> Option<(Token, Readiness)> {
        let wanted = self.wanted.get();
        self.token.get().filter(|_| wanted != Readiness::NONE).map(|token| (token, wanted))
    }

    /// An event said so. Returns the directions that became due by it; they count as queued then.
    #[inline]
    #[must_use]
    pub(super) fn note(&self, readiness: Readiness) -> Readiness {
        let ready = self.ready.get().with(readiness);
        self.ready.set(ready);
        let queued = self.queued.get();
        let due = ready.and(self.wanted.get()).without(queued);
        self.queued.set(queued.with(due));
        due
    }

    /// Wants to be called when ready. Returns whether that is now, in which case the caller queues the source.
    #[inline]
    #[must_use]
    pub(crate) fn want(&self, direction: Direction) -> bool {
        self.wanted.set(self.wanted.get().with(direction.bit()));
        self.take_due(direction)
    }

    /// Does not want to be called, even if it stands in the queue.
    #[inline]
    pub(crate) fn unwant(&self, direction: Direction) {
        self.wanted.set(self.wanted.get().without(direction.bit()));
    }

    /// Does not want to be called at all, even if it stands in the queue.
    pub(crate) fn want_nothing(&self) {
        self.wanted.set(Readiness::NONE);
    }

    /// Whether the source is ready in a direction that it wants and is not queued for it yet; it counts as queued
    /// then.
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
    pub(crate) fn dequeued(&self, direction: Direction) -> bool {
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

    /// An attempt found nothing left: the next event will say when there is something.
    #[inline]
    pub(crate) fn exhausted(&self, direction: Direction) {
        self.ready.set(self.ready.get().without(direction.bit()));
    }

    /// A receive brought less than it had room for: nothing is left, unless a hang-up was seen, after which no
    /// further edge need come and only reading on finds the end.
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
