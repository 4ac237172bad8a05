//! The end of a step: what one callback, or one poll of a task, wrote is sent when it returns. What is written while no
//! run is going on is sent at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::{Core, Phase};
use crate::constants::SPARE_ENTRIES;

/// Something that gathered bytes during a step.
pub(crate) trait Unsent {
    /// Hands them to the kernel, as far as it takes them.
    fn send_gathered(&self);
}

/// Who wrote during the current step. One system call each, when the step ends.
#[derive(Default)]
pub(crate) struct StepEnd {
    /// The one who is next: mostly there is no other.
    next: Cell<Option<Rc<dyn Unsent>>>,
    /// Those behind it. Invariant: while there are some, there is a next.
    others: RefCell<VecDeque<Rc<dyn Unsent>>>,
    has_others: Cell<bool>,
    /// They are being sent although no step has ended.
    sends_between_runs: Cell<bool>,
}

impl Core {
    /// Someone gathered bytes: they are sent when the step ends.
    #[inline]
    pub(crate) fn enlist(&self, unsent: Rc<dyn Unsent>) {
        if self.phase.get() == Phase::Running {
            self.step.enlist(unsent);
        } else {
            self.enlist_outside_of_runs(unsent);
        }
    }

    /// No step is going on whose end could be waited for. Protocols may be told to pause, and may write from inside
    /// that: such bytes go out too before this returns, and in their turn, not from inside.
    ///
    /// On a closed loop nothing is sent, and nobody would take the entry out of the list: the loop would hold the
    /// connection, and the connection the loop, for ever.
    #[cold]
    fn enlist_outside_of_runs(&self, unsent: Rc<dyn Unsent>) {
        if self.phase.get() == Phase::Closed {
            return;
        }
        self.step.enlist(unsent);
        if !self.step.sends_between_runs.replace(true) {
            self.finish_step();
            self.step.sends_between_runs.set(false);
        }
    }
}

impl StepEnd {
    #[inline]
    fn enlist(&self, unsent: Rc<dyn Unsent>) {
        if let Some(earlier) = self.next.replace(Some(unsent)) {
            self.enlist_behind(earlier);
        }
    }

    /// One is next already: it stays that.
    #[cold]
    fn enlist_behind(&self, earlier: Rc<dyn Unsent>) {
        if let Some(unsent) = self.next.replace(Some(earlier)) {
            self.others.borrow_mut().push_back(unsent);
            self.has_others.set(true);
        }
    }

    /// Sends everything, also what is written while sending.
    #[inline]
    pub(crate) fn send_all(&self) {
        while let Some(unsent) = self.take_next() {
            unsent.send_gathered();
        }
    }

    #[inline]
    fn take_next(&self) -> Option<Rc<dyn Unsent>> {
        let next = self.next.take()?;
        if self.has_others.get() {
            self.move_up();
        }
        Some(next)
    }

    #[cold]
    fn move_up(&self) {
        let mut others = self.others.borrow_mut();
        self.next.set(others.pop_front());
        self.has_others.set(!others.is_empty());
        if others.is_empty() && others.capacity() > SPARE_ENTRIES {
            *others = VecDeque::new();
        }
    }

    pub(super) fn clear(&self) {
        while let Some(unsent) = self.take_next() {
            drop(unsent);
        }
    }
}
