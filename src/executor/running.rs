//! Which loop runs on this thread.

use std::cell::RefCell;
use std::rc::Rc;

use crate::executor::Executor;

thread_local! {
    static RUNNING: RefCell<Option<Rc<Executor>>> = const { RefCell::new(None) };
}

/// Looks at the executor that runs on this thread; `None` if none does. `look` must not call user code.
#[inline]
pub(super) fn with<R>(look: impl FnOnce(&Rc<Executor>) -> R) -> Option<R> {
    // A waker may be used by the destructors of other thread-locals, when ours is gone.
    // Borrowed as if to change it, since that costs half.
    RUNNING.try_with(|running| running.borrow_mut().as_ref().map(look)).ok().flatten()
}

/// Makes an executor the running one of this thread until the guard is dropped.
pub(crate) fn enter(executor: &Rc<Executor>) -> Entered {
    Entered { outer: RUNNING.replace(Some(Rc::clone(executor))) }
}

pub(crate) struct Entered {
    outer: Option<Rc<Executor>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let inner = RUNNING.replace(self.outer.take());
        drop(inner);
    }
}
