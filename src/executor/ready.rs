//! The ready queue: what will run, first in, first out.
//!
//! There are two vectors, the queue and the batch that runs, and [`ReadyQueue::swap_batch`] swaps them. Entries that
//! are pushed while a batch runs go into the other vector, so work that is scheduled during a turn runs in the next
//! one.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::executor::alarm::Alarm;
use crate::executor::{TaskNode, Waiter};
use crate::handle::Runnable;
use crate::reactor::{Direction, Source};

/// One thing that is ready to run.
pub(crate) enum Entry {
    /// A scheduled callback, which may have been cancelled since.
    Callback(Rc<dyn Runnable>),
    /// A step of a task.
    Task(Rc<TaskNode>),
    /// A waiter whose timer is due. Its task runs in the next turn, as if a callback had woken it.
    Wake(Waiter),
    /// A watched source that is ready in a direction.
    Io(Rc<dyn Source>, Direction),
}

impl Entry {
    /// Drops the entry, for a loop that closes. A callback is cancelled, so that its handle does not keep it alive.
    pub(crate) fn cancel(self) {
        if let Entry::Callback(callback) = self {
            callback.cancel();
        }
    }
}

#[derive(Default)]
pub(crate) struct ReadyQueue {
    entries: RefCell<Vec<Entry>>,
    /// How many entries other than steps of tasks were ever queued. Steps are not counted, since each message of a
    /// stream takes one; their number is that of all entries minus this one.
    others: Cell<u64>,
    /// Rung when something is queued.
    pub(crate) alarm: Alarm,
}

impl ReadyQueue {
    /// Not inlined, since each of its many callers would get a copy of the code that drops the entry if the push
    /// panics.
    #[inline(never)]
    pub(crate) fn push(&self, entry: Entry) {
        self.entries.borrow_mut().push(entry);
        self.others.set(self.others.get() + 1);
        self.alarm.ring();
    }

    /// Queues a step of a task.
    #[inline]
    pub(super) fn push_task(&self, node: &Rc<TaskNode>) {
        self.entries.borrow_mut().push(Entry::Task(Rc::clone(node)));
        self.alarm.ring();
    }

    /// Lets `collect` append many entries at once, none of which is a step of a task. `collect` must not call user
    /// code.
    pub(crate) fn append(&self, collect: impl FnOnce(&mut Vec<Entry>)) {
        let before = self.len();
        self.append_uncounted(collect);
        self.others.set(self.others.get() + (self.len() - before) as u64);
    }

    /// Not inlined, since counting in the same function would cost each entry 2 instructions.
    #[inline(never)]
    fn append_uncounted(&self, collect: impl FnOnce(&mut Vec<Entry>)) {
        collect(&mut self.entries.borrow_mut());
        self.alarm.ring();
    }

    /// How many entries other than steps of tasks were ever queued.
    pub(crate) fn others(&self) -> u64 {
        self.others.get()
    }

    /// How many steps of tasks are queued now.
    pub(crate) fn steps(&self) -> usize {
        self.entries.borrow().iter().filter(|entry| matches!(entry, Entry::Task(_))).count()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Moves everything that is ready into `batch`, which must be empty. The queue takes over the memory of `batch`.
    #[inline]
    pub(crate) fn swap_batch(&self, batch: &mut Vec<Entry>) {
        debug_assert!(batch.is_empty());
        std::mem::swap(&mut *self.entries.borrow_mut(), batch);
    }
}
