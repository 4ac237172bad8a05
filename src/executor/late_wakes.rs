//! Wakes that come too late: somebody keeps waking a task that is over. Counted in debug mode only.
//!
//! A live task that is woken is polled in the next turn, and further wakes until then are one. So a task that is woken
//! again and again and never polled is one that is over, and whoever wakes it has kept its waker for too long.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::Location;

use crate::constants::MOST_LATE_WAKES;
use crate::executor::record::Record;

/// A task that is over and was woken [`MOST_LATE_WAKES`] times since.
pub(crate) struct LateWakes {
    pub(crate) number: u32,
    pub(crate) spawned_at: &'static Location<'static>,
}

#[derive(Default)]
pub(super) struct LateWakesCounted {
    /// How often the last task of a seat was woken since it was over, with its number.
    counts: RefCell<HashMap<u32, (u32, u32)>>,
    /// Those that are to be reported.
    found: RefCell<Vec<LateWakes>>,
}

impl LateWakesCounted {
    /// The task of this seat was woken, which is over.
    #[cold]
    pub(super) fn count(&self, seat: u32, task: &Record) {
        let number = task.number();
        let mut counts = self.counts.borrow_mut();
        let of_seat = counts.entry(seat).or_insert((number, 0));
        if of_seat.0 != number {
            *of_seat = (number, 0);
        }
        of_seat.1 = of_seat.1.saturating_add(1);
        if of_seat.1 == MOST_LATE_WAKES {
            self.found.borrow_mut().push(LateWakes { number, spawned_at: task.spawned_at() });
        }
    }

    /// Takes out what is to be reported.
    pub(super) fn take(&self) -> Vec<LateWakes> {
        self.found.take()
    }
}
