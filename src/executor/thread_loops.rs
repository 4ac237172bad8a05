//! The loops of this thread, running or not. Callbacks and wakes from their own thread need not go through the mailbox.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::executor::{Executor, Mailbox};
use crate::sync;

sync::thread_local! {
    /// The loops that were made on this thread and are not closed. Usually there is only one.
    static LOOPS: RefCell<Vec<Weak<Executor>>> = const { RefCell::new(Vec::new()) };
}

/// The loop of this thread that has this mailbox. `None` if the loop is another thread's, or if this thread is ending
/// and its thread-locals are gone; then callers use the mailbox.
pub(crate) fn of_this_thread(mailbox: &Arc<Mailbox>) -> Option<Rc<Executor>> {
    let find = |loops: &RefCell<Vec<Weak<Executor>>>| {
        let loops = loops.borrow();
        loops.iter().filter_map(Weak::upgrade).find(|executor| Arc::ptr_eq(&executor.mailbox, mailbox))
    };
    LOOPS.try_with(find).ok().flatten()
}

pub(super) fn add(executor: &Rc<Executor>) {
    let _ = LOOPS.try_with(|loops| loops.borrow_mut().push(Rc::downgrade(executor)));
}

pub(super) fn remove(executor: &Executor) {
    let _ = LOOPS.try_with(|loops| loops.borrow_mut().retain(|made| !std::ptr::eq(made.as_ptr(), executor)));
}
