//! The signals that a stream has received.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::task::{Context, Poll, ready};

use crate::executor::{Awaited, Reason, Waiter, leave, poll_operation, return_operation};

/// The signals that have arrived and were not taken.
#[derive(Default)]
pub(super) struct Inbox {
    /// Each signal is in here at most once, so that the inbox of an unread stream does not grow.
    came: RefCell<VecDeque<i32>>,
    /// The task that polled last. There is only one, since a stream has one owner.
    waiter: Cell<Waiter>,
}

impl Inbox {
    pub(super) fn put(&self, signal: i32) {
        let mut came = self.came.borrow_mut();
        if !came.contains(&signal) {
            came.push_back(signal);
        }
        drop(came);
        self.waiter.take().wake();
    }

    /// Takes the signal that arrived first.
    pub(super) fn poll_take(&self, cx: &Context<'_>) -> Poll<i32> {
        ready!(poll_operation(cx));
        if let Some(signal) = self.came.borrow_mut().pop_front() {
            return Poll::Ready(signal);
        }
        return_operation();
        leave(Reason::polled(Awaited::Signal));
        drop(self.waiter.replace(Waiter::of(cx)));
        Poll::Pending
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.came.borrow().fmt(f)
    }
}
