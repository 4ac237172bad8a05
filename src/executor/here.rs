//! The loops of this thread, running or not: what comes from their own thread need not go through the mailbox.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use crate::executor::{Executor, Mailbox};

thread_local! {
    /// Those that were made here and are not closed; mostly one.
    static LOOPS: RefCell<Vec<Weak<Executor>>> = const { RefCell::new(Vec::new()) };
}

/// The loop of this thread that has this mailbox. None of another thread's, and none when this thread is ending and
/// its own variables are gone: then the mailbox is the way, as for others.
pub(crate) fn of_this_thread(mailbox: &Arc<Mailbox>) -> Option<Rc<Executor>> {
    let find = |loops: &RefCell<Vec<Weak<Executor>>>| {
        let loops = loops.borrow();
        loops.iter().filter_map(Weak::upgrade).find(|executor| Arc::ptr_eq(&executor.mailbox, mailbox))
    };
    LOOPS.try_with(find).ok().flatten()
}

pub(super) fn made(executor: &Rc<Executor>) {
    let _ = LOOPS.try_with(|loops| loops.borrow_mut().push(Rc::downgrade(executor)));
}

pub(super) fn closed(executor: &Executor) {
    let _ = LOOPS.try_with(|loops| loops.borrow_mut().retain(|made| !std::ptr::eq(made.as_ptr(), executor)));
}
