//! What is known of a task besides how to run it, for reports of what the loop is doing.

use std::cell::Cell;
use std::panic::Location;

use crate::executor::polled::Who;
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
    /// Its seat, and where the task was spawned, or the loop was run.
    who: Cell<Who>,
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
    /// Of a seat that no task has had yet.
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

    /// What comes now of the step that is going on counts as another.
    #[inline]
    pub(super) fn begin_part(&self, step: u64) {
        self.step.set(step);
    }

    /// A poll begins, in this step. Returns whose it is.
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
