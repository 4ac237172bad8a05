//! The end of a step: what one callback, or one poll of a task, wrote is sent when it returns.

use std::cell::RefCell;
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
    unsent: RefCell<VecDeque<Rc<dyn Unsent>>>,
}

impl StepEnd {
    #[inline]
    pub(crate) fn enlist(&self, unsent: Rc<dyn Unsent>) {
        self.unsent.borrow_mut().push_back(unsent);
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
        self.unsent.borrow_mut().pop_front()
    }

    pub(super) fn clear(&self) {
        while let Some(unsent) = self.next() {
            drop(unsent);
        }
    }
}
