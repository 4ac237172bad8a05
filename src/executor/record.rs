//! What is known of a task besides how to run it, for reports of what the loop is doing.

use std::cell::Cell;
use std::panic::Location;

use crate::executor::reason::Reason;

/// A millisecond has at most two to this power of steps.
const STEP_BITS: u32 = 20;

/// When a step was, in milliseconds from when its loop was made.
pub(crate) fn milliseconds(step: u64) -> u64 {
    step >> STEP_BITS
}

/// The number of the first step so many milliseconds after the loop was made.
pub(super) fn first_step_at(milliseconds: u64) -> u64 {
    milliseconds << STEP_BITS
}

/// What is known of a task. It is written at each poll, so it has what a poll can leave for a few instructions.
pub(crate) struct Record {
    /// Where the task was spawned, or the loop was run.
    spawned_at: Cell<&'static Location<'static>>,
    /// Why the task waits: the last reason that its last poll left. `None` if that was a future of another crate, or the
    /// reader of a stream, which keeps its reason itself.
    reason: Cell<Option<Reason>>,
    /// The task's own number.
    number: Cell<u32>,
    /// The number of the task that spawned it, or 0.
    parent: Cell<u32>,
    /// How often the task was polled. It wraps.
    polls: Cell<u32>,
    /// When it was spawned; see [`milliseconds`](super::milliseconds).
    spawned: Cell<u32>,
    /// The last step of the task, which says when it was, too.
    step: Cell<u64>,
}

impl Record {
    /// Of no task.
    pub(super) fn empty() -> Self {
        Record {
            spawned_at: Cell::new(Location::caller()),
            reason: Cell::new(None),
            number: Cell::new(0),
            parent: Cell::new(0),
            polls: Cell::new(0),
            spawned: Cell::new(0),
            step: Cell::new(0),
        }
    }

    /// A task begins, at the time of a step.
    pub(super) fn begin(&self, number: u32, parent: u32, spawned_at: &'static Location<'static>, step: u64) {
        self.spawned_at.set(spawned_at);
        self.reason.set(None);
        self.number.set(number);
        self.parent.set(parent);
        self.polls.set(0);
        self.spawned.set(milliseconds(step) as u32);
        self.step.set(step);
    }

    /// What comes now of the step that is going on counts as another.
    #[inline]
    pub(super) fn begin_part(&self, step: u64) {
        self.step.set(step);
    }

    #[inline]
    pub(super) fn begin_poll(&self, step: u64) {
        self.polls.set(self.polls.get().wrapping_add(1));
        self.step.set(step);
        self.reason.set(None);
    }

    #[inline]
    pub(super) fn replace_reason(&self, reason: Option<Reason>) -> Option<Reason> {
        self.reason.replace(reason)
    }

    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at.get()
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.reason.get()
    }

    pub(crate) fn number(&self) -> u32 {
        self.number.get()
    }

    pub(crate) fn parent(&self) -> u32 {
        self.parent.get()
    }

    pub(crate) fn polls(&self) -> u32 {
        self.polls.get()
    }

    pub(crate) fn spawned(&self) -> u32 {
        self.spawned.get()
    }

    pub(crate) fn step(&self) -> u64 {
        self.step.get()
    }
}
