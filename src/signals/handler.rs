//! A user's signal handler.

use std::cell::Cell;
use std::mem::take;
use std::panic::Location;
use std::rc::Rc;

use crate::event_loop::LoopHandle;

/// A closure that is called for each signal, until it is removed.
pub(super) struct Handler {
    state: Cell<State>,
    added_at: &'static Location<'static>,
}

#[derive(Default)]
enum State {
    /// It waits to be called.
    Idle(Box<dyn FnMut()>),
    /// It is being called, and [`Lent`] has the closure.
    Running,
    /// It is no longer called. Calls that are already scheduled do nothing.
    #[default]
    Removed,
}

impl Handler {
    pub(super) fn new(closure: Box<dyn FnMut()>, added_at: &'static Location<'static>) -> Rc<Handler> {
        Rc::new(Handler { state: Cell::new(State::Idle(closure)), added_at })
    }

    /// Schedules a call for the next turn.
    pub(super) fn schedule(self: &Rc<Self>, event_loop: &LoopHandle) {
        let handler = Rc::clone(self);
        event_loop.call_soon_for(self.added_at, move || handler.call());
    }

    /// Drops the closure; if it is being called, it is dropped when that call returns.
    pub(super) fn remove(&self) {
        drop(self.state.take());
    }

    fn call(&self) {
        match self.state.replace(State::Running) {
            State::Idle(closure) => (Lent { handler: self, closure: Some(closure) }).call(),
            other => self.state.set(other),
        }
    }
}

/// The closure while it is called. It goes back to its handler even if it panics, unless the handler was removed
/// meanwhile.
struct Lent<'a> {
    handler: &'a Handler,
    closure: Option<Box<dyn FnMut()>>,
}

impl Lent<'_> {
    fn call(mut self) {
        if let Some(closure) = &mut self.closure {
            closure();
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let state = &self.handler.state;
        match (state.take(), take(&mut self.closure)) {
            (State::Running, Some(closure)) => state.set(State::Idle(closure)),
            (_, closure) => drop(closure),
        }
    }
}
