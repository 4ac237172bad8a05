//! Which executor runs on this thread.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use crate::executor::Executor;
use crate::sync;

sync::thread_local! {
    static RUNNING: Current<Executor> = const { Current::nothing() };
}

/// The loop or executor that runs on a thread. It is the value of a thread-local.
///
/// It is never dropped, so the thread-local has no destructor and can be used until the thread has ended. Otherwise a
/// later use by the destructor of another thread-local would panic and abort the process: a user's thread-local may
/// drop a loop, a task or a waker. Nothing leaks, since every caller of `replace` puts the earlier value back.
pub(crate) struct Current<T>(ManuallyDrop<RefCell<Option<Rc<T>>>>);

impl<T> Current<T> {
    pub(crate) const fn nothing() -> Self {
        Current(ManuallyDrop::new(RefCell::new(None)))
    }

    /// Calls `look` with the value, if it is set. `look` must not call user code.
    #[inline]
    pub(crate) fn with<R>(&self, look: impl FnOnce(&Rc<T>) -> R) -> Option<R> {
        self.0.borrow().as_ref().map(look)
    }

    /// Sets the value, and returns the one before.
    pub(crate) fn replace(&self, next: Option<Rc<T>>) -> Option<Rc<T>> {
        self.0.replace(next)
    }
}

/// Calls `look` with the executor that runs on this thread. `None` if none does. `look` must not call user code.
#[inline]
pub(super) fn with<R>(look: impl FnOnce(&Rc<Executor>) -> R) -> Option<R> {
    RUNNING.with(|running| running.with(look))
}

/// Makes an executor the running one on this thread until the guard is dropped.
pub(crate) fn enter(executor: &Rc<Executor>) -> Entered {
    Entered { outer: RUNNING.with(|running| running.replace(Some(Rc::clone(executor)))) }
}

pub(crate) struct Entered {
    outer: Option<Rc<Executor>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let inner = RUNNING.with(|running| running.replace(self.outer.take()));
        drop(inner);
    }
}
