//! The end of a step: what one callback, or one poll of a task, wrote is sent when it returns.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// Something that gathered bytes during a step.
pub(crate) trait Unsent {
    /// Hands them to the kernel, as far as it takes them.
    fn send_gathered(&self);
}

/// Who wrote during the current step. One system call each, when the step ends.
#[derive(Default)]
pub(crate) struct StepEnd {
    /// How many wait.
    len: Cell<usize>,
    /// The one who wrote first: mostly there is no other. Invariant: if this is empty, so is `others`, or it was just
    /// taken and the `others` are next.
    first: Cell<Option<Rc<dyn Unsent>>>,
    others: RefCell<VecDeque<Rc<dyn Unsent>>>,
}

impl StepEnd {
    #[inline]
    pub(crate) fn enlist(&self, unsent: Rc<dyn Unsent>) {
        if self.len.replace(self.len.get() + 1) == 0 {
            self.first.set(Some(unsent));
        } else {
            self.enlist_behind(unsent);
        }
    }

    #[cold]
    fn enlist_behind(&self, unsent: Rc<dyn Unsent>) {
        self.others.borrow_mut().push_back(unsent);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Sends everything, also what is written while sending.
    #[inline]
    pub(crate) fn send_all(&self) {
        while let Some(unsent) = self.next() {
            unsent.send_gathered();
        }
    }

    #[inline]
    fn next(&self) -> Option<Rc<dyn Unsent>> {
        let len = self.len.get();
        if len == 0 {
            return None;
        }
        self.len.set(len - 1);
        self.first.take().or_else(|| self.next_other())
    }

    #[cold]
    fn next_other(&self) -> Option<Rc<dyn Unsent>> {
        self.others.borrow_mut().pop_front()
    }

    pub(super) fn clear(&self) {
        while let Some(unsent) = self.next() {
            drop(unsent);
        }
    }
}
