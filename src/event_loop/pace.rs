//! When a loop that has work polls the selector: after some number of handles or some time, whichever comes first. Time
//! is an argument.
//!
//! Reading the clock takes as long as waking one or two tasks. So it is not read after each batch but after a number of
//! handles. The quicker the last handles were, the more may run before the next reading.

use std::cell::Cell;
use std::time::Duration;

use crate::constants::{HANDLES_PER_CLOCK, HANDLES_PER_CLOCK_AFTER_WAIT, POLL_INTERVAL};
use crate::timers::Moment;

/// If the handles between two readings took this long or longer, they count as slow, and the clock is read after each
/// batch.
const SLOW: Duration = Duration::from_micros(POLL_INTERVAL.as_micros() as u64 / 8);

pub(super) struct Pace {
    /// The most handles between two polls, at least 1.
    handles_per_poll: usize,
    /// How many handles ran since the last poll.
    handles: Cell<usize>,
    /// After this many handles the loop checks whether a poll is due. Invariant: at most `handles_per_poll`.
    check_after: Cell<usize>,
    /// How many handles run between two readings of the clock.
    stride: Cell<usize>,
    /// The loop has waited, and no check was skipped since. Receiving and answering a message takes two turns, and then
    /// the loop usually waits again. So the check between the two turns is skipped.
    answering: Cell<bool>,
    /// When the clock was last read. `None` if it was not read since the loop waited.
    read_at: Cell<Option<Moment>>,
    /// How much time the handles since the last poll took, up to that reading.
    spent: Cell<Duration>,
}

impl Pace {
    pub(super) fn new(handles_per_poll: usize, now: Moment) -> Self {
        Pace {
            handles_per_poll: handles_per_poll.max(1),
            handles: Cell::new(0),
            check_after: Cell::new(0),
            // Until a reading shows how long handles take, they may be slow.
            stride: Cell::new(1),
            answering: Cell::new(false),
            read_at: Cell::new(Some(now)),
            spent: Cell::new(Duration::ZERO),
        }
    }

    /// Counts handles that are about to run.
    #[inline]
    pub(super) fn count(&self, handles: usize) {
        self.handles.set(self.handles.get() + handles);
    }

    /// A run begins. Time has passed and sockets may have become ready since the last one, so the first turn polls.
    pub(super) fn begin_run(&self, now: Moment) {
        self.handles.set(self.handles_per_poll);
        self.read_at.set(Some(now));
    }

    /// The selector was polled, and the loop may have waited for it.
    #[inline]
    pub(super) fn polled(&self, may_have_waited: bool) {
        self.handles.set(0);
        self.spent.set(Duration::ZERO);
        self.answering.set(may_have_waited);
        if may_have_waited {
            self.read_at.set(None);
            self.check_after.set(1);
        } else {
            self.check_after.set(self.stride.get().min(self.handles_per_poll));
        }
    }

    /// Whether enough handles ran to call [`check`](Pace::check). The first time after a wait the answer is no, which
    /// uses up `answering`.
    #[inline]
    pub(super) fn take_check_due(&self) -> bool {
        let handles = self.handles.get();
        handles >= self.check_after.get() && !(self.answering.replace(false) && handles < self.handles_per_poll)
    }

    /// Returns whether a poll is due. If it is not, this sets when to check again.
    #[cold]
    pub(super) fn check(&self, now: impl FnOnce() -> Moment) -> bool {
        if self.handles.get() >= self.handles_per_poll {
            return true;
        }
        let now = now();
        let stride = match self.read_at.replace(Some(now)) {
            None => self.stride.get().min(HANDLES_PER_CLOCK_AFTER_WAIT),
            Some(before) => {
                let took = now.since(before);
                self.spent.set(self.spent.get() + took);
                if took < SLOW { (self.stride.get() * 2).min(HANDLES_PER_CLOCK) } else { 1 }
            }
        };
        self.stride.set(stride);
        self.check_after.set((self.handles.get() + stride).min(self.handles_per_poll));
        self.spent.get() >= POLL_INTERVAL
    }
}
