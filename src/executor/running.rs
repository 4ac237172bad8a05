//! Which loop runs on this thread.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use crate::executor::Executor;

thread_local! {
    static RUNNING: Current<Executor> = const { Current::nothing() };
}

/// What runs on a thread: the value of a thread-local.
///
/// It is never dropped, so that the thread-local has no destructor. One that has is gone when the thread has ended so
/// far, and the destructors of other thread-locals that come after it would meet a panic, which ends the process. They
/// may drop loops, tasks and wakers, if their owner keeps these there. Nothing leaks by it: whoever replaces what runs
/// puts back what was there before.
pub(crate) struct Current<T>(ManuallyDrop<RefCell<Option<Rc<T>>>>);

impl<T> Current<T> {
    pub(crate) const fn nothing() -> Self {
        Current(ManuallyDrop::new(RefCell::new(None)))
    }

    /// Looks at what runs, if anything does. `look` must not call user code.
    #[inline]
    pub(crate) fn with<R>(&self, look: impl FnOnce(&Rc<T>) -> R) -> Option<R> {
        self.0.borrow().as_ref().map(look)
    }

    /// Something else runs from now on, or nothing. Gives back what ran before.
    pub(crate) fn replace(&self, next: Option<Rc<T>>) -> Option<Rc<T>> {
        self.0.replace(next)
    }
}

/// Looks at the executor that runs on this thread; `None` if none does. `look` must not call user code.
#[inline]
pub(super) fn with<R>(look: impl FnOnce(&Rc<Executor>) -> R) -> Option<R> {
    RUNNING.with(|running| running.with(look))
}

/// Makes an executor the running one of this thread until the guard is dropped.
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
