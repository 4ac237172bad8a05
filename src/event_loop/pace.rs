//! When a loop that has work looks at the selector all the same: after so many handles or so much time, whichever is
//! first. Time is an argument.
//!
//! Reading the clock takes as long as waking a task or two. So it is not read after each batch, but after some handles:
//! the more of them, the less time the last ones took.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::constants::{HANDLES_PER_CLOCK, HANDLES_PER_CLOCK_AFTER_WAIT, POLL_INTERVAL};

/// Handles between two readings that took as long as this are slow: the clock is read after each batch then.
const SLOW: Duration = Duration::from_micros(POLL_INTERVAL.as_micros() as u64 / 8);

pub(super) struct Pace {
    /// The most handles between two looks: at least 1.
    handles_per_poll: usize,
    /// How many handles ran since the last look.
    handles: Cell<usize>,
    /// With so many of them it is to be asked whether a look is due. Invariant: no more than `handles_per_poll`.
    check_after: Cell<usize>,
    /// How many handles run between two readings of the clock.
    stride: Cell<usize>,
    /// The loop has waited. What came is received and answered before the clock is read, which is two turns; mostly
    /// it waits again then.
    is_answering: Cell<bool>,
    /// When the clock was last read since the loop waited, if it was.
    read_at: Cell<Option<Instant>>,
    /// How much time the handles since the last look took, up to that reading.
    spent: Cell<Duration>,
}

impl Pace {
    pub(super) fn new(handles_per_poll: usize, now: Instant) -> Self {
        Pace {
            handles_per_poll: handles_per_poll.max(1),
            handles: Cell::new(0),
            check_after: Cell::new(0),
            // Until it is known how long handles take, they may be slow.
            stride: Cell::new(1),
            is_answering: Cell::new(false),
            read_at: Cell::new(Some(now)),
            spent: Cell::new(Duration::ZERO),
        }
    }

    /// So many handles are about to run.
    #[inline]
    pub(super) fn ran(&self, handles: usize) {
        self.handles.set(self.handles.get() + handles);
    }

    /// A run begins: time has passed and sockets have moved since the last one, so the first turn looks.
    pub(super) fn begin(&self, now: Instant) {
        self.handles.set(self.handles_per_poll);
        self.read_at.set(Some(now));
    }

    /// The selector was looked at, and the loop may have waited for it.
    #[inline]
    pub(super) fn polled(&self, may_have_waited: bool) {
        self.handles.set(0);
        self.spent.set(Duration::ZERO);
        self.is_answering.set(may_have_waited);
        if may_have_waited {
            self.read_at.set(None);
            self.check_after.set(1);
        } else {
            self.check_after.set(self.stride.get().min(self.handles_per_poll));
        }
    }

    /// Whether enough handles ran to ask [`is_poll_due`](Pace::is_poll_due).
    #[inline]
    pub(super) fn is_to_be_checked(&self) -> bool {
        self.handles.get() >= self.check_after.get() && !self.is_answering()
    }

    #[inline]
    fn is_answering(&self) -> bool {
        self.is_answering.replace(false) && self.handles.get() < self.handles_per_poll
    }

    /// Whether a look is due. If it is not, it is known from when on to ask again.
    #[cold]
    pub(super) fn is_poll_due(&self, now: impl FnOnce() -> Instant) -> bool {
        if self.handles.get() >= self.handles_per_poll {
            return true;
        }
        let now = now();
        let stride = match self.read_at.replace(Some(now)) {
            None => self.stride.get().min(HANDLES_PER_CLOCK_AFTER_WAIT),
            Some(before) => {
                let took = now.saturating_duration_since(before);
                self.spent.set(self.spent.get() + took);
                if took < SLOW { (self.stride.get() * 2).min(HANDLES_PER_CLOCK) } else { 1 }
            }
        };
        self.stride.set(stride);
        self.check_after.set((self.handles.get() + stride).min(self.handles_per_poll));
        self.spent.get() >= POLL_INTERVAL
    }
}
