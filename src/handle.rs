//! A scheduled callback, which can be cancelled before it runs.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

/// Something the loop runs once, in a turn.
pub(crate) trait Runnable {
    fn run(&self);

    /// Drops the callback if it has not run, even if there are handles to it.
    fn cancel(&self);

    /// Whether it was cancelled before it ran.
    fn is_cancelled(&self) -> bool;

    /// Where it was scheduled, for reports.
    fn location(&self) -> &'static Location<'static>;
}

/// A scheduled closure. The queue and the [`Handle`] share it. Running or cancelling the callback, whichever comes
/// first, takes the closure out.
pub(crate) struct Callback<F> {
    closure: Cell<Option<F>>,
    cancelled: Cell<bool>,
    location: &'static Location<'static>,
}

impl<F: FnOnce()> Callback<F> {
    #[track_caller]
    pub(crate) fn new(closure: F) -> Rc<Self> {
        Callback::scheduled_at(closure, Location::caller())
    }

    pub(crate) fn scheduled_at(closure: F, location: &'static Location<'static>) -> Rc<Self> {
        Rc::new(Callback { closure: Cell::new(Some(closure)), cancelled: Cell::new(false), location })
    }
}

/// A closure on its way to the loop's thread.
pub(crate) struct RemoteCall {
    closure: Box<dyn FnOnce() + Send>,
    sent_from: &'static Location<'static>,
}

impl RemoteCall {
    #[track_caller]
    pub(crate) fn new(closure: impl FnOnce() + Send + 'static) -> Self {
        RemoteCall { closure: Box::new(closure), sent_from: Location::caller() }
    }

    /// Turns the call into a callback on the loop's thread.
    pub(crate) fn into_callback(self) -> Rc<dyn Runnable> {
        Callback::scheduled_at(self.closure, self.sent_from)
    }
}

impl<F: FnOnce()> Runnable for Callback<F> {
    fn run(&self) {
        if let Some(closure) = self.closure.take() {
            closure();
        }
    }

    fn cancel(&self) {
        // The closure is taken out of the cell before it is dropped, since its destructor is user code.
        if let Some(closure) = self.closure.take() {
            self.cancelled.set(true);
            drop(closure);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// A callback that was scheduled by [`call_soon`](crate::LoopHandle::call_soon). Dropping the handle does not cancel
/// it.
#[derive(Clone)]
pub struct Handle(Rc<dyn Runnable>);

impl Handle {
    pub(crate) fn new(callback: Rc<dyn Runnable>) -> Self {
        Handle(callback)
    }

    /// Cancels the callback: it is dropped now and will not run. If it has already run, this does nothing.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether the callback was cancelled before it ran.
    #[doc(alias = "cancelled")]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("scheduled_at", &format_args!("{}", self.0.location()))
            .field("cancelled", &self.is_cancelled())
            .finish()
    }
}
