//! Wakes that come too late, because their task is over. They are counted in debug mode only.
//!
//! A live task that is woken is polled in the next turn, and further wakes until then have no effect. So only a task
//! that is over can be woken again and again without being polled, and then its waker was kept for too long.

use std::cell::RefCell;
use std::collections::HashMap;
use std::panic::Location;

use crate::constants::MOST_LATE_WAKES;
use crate::executor::record::Record;

/// A task that is over and has been woken [`MOST_LATE_WAKES`] times since.
pub(crate) struct LateWakes {
    pub(crate) number: u32,
    pub(crate) spawned_at: &'static Location<'static>,
}

#[derive(Default)]
pub(super) struct LateWakesCounted {
    /// By seat: the number of its last task, and how often that was woken since it was over.
    counts: RefCell<HashMap<u32, (u32, u32)>>,
    /// The tasks to be reported.
    found: RefCell<Vec<LateWakes>>,
}

impl LateWakesCounted {
    /// Counts a wake of the task of this seat, which is over.
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

    /// Takes out the tasks to be reported.
    pub(super) fn take(&self) -> Vec<LateWakes> {
        self.found.take()
    }
}
