//! Facts about a task that are not needed to run it, for reports of what the loop is doing.

use std::cell::Cell;
use std::panic::Location;

use crate::executor::polled::Who;
use crate::executor::reason::Reason;

/// A millisecond has at most 2^`STEP_BITS` step numbers.
const STEP_BITS: u32 = 20;

/// When a step was, in milliseconds since its loop was made.
pub(crate) fn milliseconds(step: u64) -> u64 {
    step >> STEP_BITS
}

/// The number of the first step that is this many milliseconds after the loop was made.
pub(super) fn first_step_at(milliseconds: u64) -> u64 {
    milliseconds << STEP_BITS
}

/// Facts about a task. They are updated at each poll, so they are limited to what a poll can store in a few
/// instructions.
pub(crate) struct Record {
    /// The task's seat, and where the task was spawned or, for a main future, the loop was run.
    who: Cell<Who>,
    /// Why the task waits: the last reason that its last poll left. `None` if the task waits for a future of another
    /// crate, or for the reader of a stream, which keeps its reason itself.
    reason: Cell<Option<Reason>>,
    /// The task's own number.
    number: Cell<u32>,
    /// The number of the task that spawned it, or 0.
    parent: Cell<u32>,
    /// How often the task was polled. It wraps.
    polls: Cell<u32>,
    /// When it was spawned; see [`milliseconds`](super::milliseconds).
    spawned: Cell<u32>,
    /// The last step of the task. Its number also says when it was.
    step: Cell<u64>,
}

impl Record {
    /// The record of a seat that no task has had yet.
    pub(super) fn empty(seat: u32) -> Self {
        Record {
            who: Cell::new(Who::nobody_at(seat)),
            reason: Cell::new(None),
            number: Cell::new(0),
            parent: Cell::new(0),
            polls: Cell::new(0),
            spawned: Cell::new(0),
            step: Cell::new(0),
        }
    }

    /// A task begins, at the time of a step.
    pub(super) fn begin(&self, number: u32, parent: u32, who: Who, step: u64) {
        self.who.set(who);
        self.reason.set(None);
        self.number.set(number);
        self.parent.set(parent);
        self.polls.set(0);
        self.spawned.set(milliseconds(step) as u32);
        self.step.set(step);
    }

    /// The rest of the current step counts as a step of its own, with this number.
    #[inline]
    pub(super) fn begin_part(&self, step: u64) {
        self.step.set(step);
    }

    /// A poll begins, in this step. Returns which task is polled.
    #[inline]
    pub(super) fn begin_poll(&self, step: u64) -> Who {
        self.polls.set(self.polls.get().wrapping_add(1));
        self.step.set(step);
        self.reason.set(None);
        self.who.get()
    }

    #[inline]
    pub(super) fn replace_reason(&self, reason: Option<Reason>) -> Option<Reason> {
        self.reason.replace(reason)
    }

    #[inline]
    pub(super) fn who(&self) -> Who {
        self.who.get()
    }

    pub(crate) fn spawned_at(&self) -> &'static Location<'static> {
        self.who.get().line().expect("a task has been spawned somewhere")
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
