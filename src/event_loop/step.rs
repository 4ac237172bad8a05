//! The end of a step, which is one callback or one poll of a task. Bytes written during the step are sent when it
//! returns. Bytes written while the loop is not running are sent at once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use super::{Core, Phase};
use crate::constants::SPARE_ENTRIES;

/// A transport that has gathered bytes during a step.
pub(crate) trait Unsent {
    /// Sends as many of the bytes as the kernel takes.
    fn send_gathered(&self);
}

/// The transports that have gathered bytes during the current step. Each sends them with one system call when the step
/// ends.
#[derive(Default)]
pub(crate) struct StepEnd {
    /// The transport that sends next. Usually there is no other, so it has a field of its own: a queue alone would cost
    /// 49 instructions for each message.
    next: Cell<Option<Rc<dyn Unsent>>>,
    /// The others, in order. Invariant: if there are any, `next` is set.
    others: RefCell<VecDeque<Rc<dyn Unsent>>>,
    has_others: Cell<bool>,
    /// Whether bytes that were written between two runs are being sent now.
    sends_between_runs: Cell<bool>,
}

impl Core {
    /// A transport has gathered bytes, which it sends when the step ends.
    #[inline]
    pub(crate) fn enlist<U: Unsent + 'static>(&self, unsent: &Weak<U>) {
        let Some(unsent) = unsent.upgrade() else { return };
        if self.phase.get() == Phase::Running {
            self.step.enlist(unsent);
        } else {
            self.enlist_outside_of_runs(unsent);
        }
    }

    /// The loop is not running, so no step will end. The bytes are sent now. Sending may call `pause_writing` of a
    /// protocol, which may write again: those bytes are sent before this returns, by the loop in `send_all` and not by
    /// a nested call.
    ///
    /// On a closed loop nothing is sent, and nothing would remove the entry from the list: the loop and the connection
    /// would keep each other alive for ever.
    #[cold]
    fn enlist_outside_of_runs(&self, unsent: Rc<dyn Unsent>) {
        if self.phase.get() == Phase::Closed {
            return;
        }
        self.step.enlist(unsent);
        if !self.step.sends_between_runs.replace(true) {
            self.finish_step();
            self.take_in_bytes();
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

    /// Another transport was next, and stays next.
    #[cold]
    fn enlist_behind(&self, earlier: Rc<dyn Unsent>) {
        if let Some(unsent) = self.next.replace(Some(earlier)) {
            self.others.borrow_mut().push_back(unsent);
            self.has_others.set(true);
        }
    }

    /// Sends everything, including bytes that are written meanwhile.
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
