//! The ready queue: what will run, first in, first out.
//!
//! It is two vectors. [`ReadyQueue::swap_batch`] swaps them: what is pushed while a batch runs lands in the other
//! one. That is the whole of the rule that work scheduled during a turn runs in the next.

use std::cell::RefCell;
use std::rc::Rc;

use crate::executor::{TaskNode, Waiter};
use crate::handle::Runnable;
use crate::reactor::{Direction, Source};

/// One thing that is ready to run.
pub(crate) enum Entry {
    /// A scheduled callback, or what is left of one that was cancelled.
    Callback(Rc<dyn Runnable>),
    /// A step of a task.
    Task(Rc<TaskNode>),
    /// Someone to wake, whose timer is due: a task so woken runs in the next turn, as a callback's would.
    Wake(Waiter),
    /// A watched source that is ready.
    Io(Rc<dyn Source>, Direction),
}

impl Entry {
    /// Lets go of it, for a loop that closes. Nothing of it runs but destructors.
    pub(crate) fn cancel(self) {
        if let Entry::Callback(callback) = self {
            callback.cancel();
        }
    }
}

pub(crate) struct ReadyQueue {
    entries: RefCell<Vec<Entry>>,
}

impl ReadyQueue {
    pub(crate) fn new() -> Self {
        ReadyQueue { entries: RefCell::new(Vec::new()) }
    }

    /// Not inlined: what drops an entry, should the push panic, would be compiled for each of many callers.
    #[inline(never)]
    pub(crate) fn push(&self, entry: Entry) {
        self.entries.borrow_mut().push(entry);
    }

    /// Pushes the step of a task.
    #[inline]
    pub(super) fn push_task(&self, node: &Rc<TaskNode>) {
        self.entries.borrow_mut().push(Entry::Task(Rc::clone(node)));
    }

    /// Appends many at once. `collect` must not call anyone.
    #[inline]
    pub(crate) fn append(&self, collect: impl FnOnce(&mut Vec<Entry>)) {
        collect(&mut self.entries.borrow_mut());
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Moves all that is ready into `batch`, which must be empty and is filled instead.
    #[inline]
    pub(crate) fn swap_batch(&self, batch: &mut Vec<Entry>) {
        debug_assert!(batch.is_empty());
        std::mem::swap(&mut *self.entries.borrow_mut(), batch);
    }
}
