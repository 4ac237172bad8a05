//! The latest reading of the clock.

use std::cell::Cell;
use std::time::Instant;

use crate::timers::{Moment, Origin};

/// The time that was last read from the clock, and what moments are counted from.
pub(super) struct Timeline {
    origin: Origin,
    latest: Cell<Instant>,
    /// `latest` as a moment, if it was asked for since. It is not counted at each reading, since what user code reads is
    /// rarely compared with a timer.
    moment: Cell<Option<Moment>>,
}

impl Timeline {
    /// Moments are counted from `now`.
    pub(super) fn new(now: Instant) -> Timeline {
        Timeline { origin: Origin::new(now), latest: Cell::new(now), moment: Cell::new(None) }
    }

    /// The clock was read.
    #[inline]
    pub(super) fn note(&self, now: Instant) {
        self.latest.set(now);
        self.moment.set(None);
    }

    /// The latest reading as a moment.
    #[inline]
    pub(super) fn moment(&self) -> Moment {
        match self.moment.get() {
            Some(moment) => moment,
            None => self.count(),
        }
    }

    #[inline]
    fn count(&self) -> Moment {
        let moment = self.origin.moment(self.latest.get());
        self.moment.set(Some(moment));
        moment
    }

    #[inline]
    pub(super) fn moment_of(&self, instant: Instant) -> Moment {
        self.origin.moment(instant)
    }

    pub(super) fn instant_of(&self, moment: Moment) -> Instant {
        self.origin.instant(moment)
    }
}
