//! Who waits: what a leaf future leaves behind when it has to wait, and what wakes it.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::errors::panic_text;
use crate::executor::running;
use crate::executor::{Executor, NO_SEAT, TaskNode};
use crate::report;

/// Someone to wake.
#[derive(Default)]
pub(crate) enum Waiter {
    #[default]
    Nobody,
    /// A task of a loop on this thread that polled us with its own waker: no atomic operation is needed to remember
    /// it, nor to wake it.
    Task(Rc<TaskNode>),
    /// Whoever came with a waker of its own: a foreign combinator, or another executor.
    Foreign(Box<Waker>),
}

impl Waiter {
    /// Whoever is polling now.
    #[inline]
    pub(crate) fn of(cx: &Context<'_>) -> Waiter {
        let own = running::with(|executor| executor.own_waiter(cx));
        own.flatten().unwrap_or_else(|| Waiter::foreign(cx.waker()))
    }

    #[cold]
    pub(super) fn foreign(waker: &Waker) -> Waiter {
        Waiter::Foreign(Box::new(waker.clone()))
    }

    /// Wakes, on the loop's thread. Must not be called under a borrow: a foreign waker is user code.
    #[inline]
    pub(crate) fn wake(self) {
        match self {
            Waiter::Nobody => {}
            Waiter::Task(node) => node.wake(),
            Waiter::Foreign(waker) => wake_foreign(*waker),
        }
    }
}

/// A foreign waker is user code. If it panics, that must not keep others from being woken.
#[cold]
fn wake_foreign(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        report::error(format_args!("A waker panicked: {}", panic_text(&*payload)));
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Waiter::Nobody => "nobody",
            Waiter::Task(_) => "a task",
            Waiter::Foreign(_) => "a foreign waker",
        })
    }
}

/// Room for one waiter: the last one who came.
///
/// Mostly that is a task of the loop whose executor is handed in, and its seat is all that is kept: no count goes up
/// and down. If the task ends before it is woken, the seat is another's then, who is woken for nothing.
pub(crate) struct WaiterCell {
    /// `NO_SEAT` for nobody, `OTHER` for whoever is in `other`.
    seat: Cell<u32>,
    other: Cell<Option<Box<Waker>>>,
}

/// Instead of a seat: someone who came with another waker.
const OTHER: u32 = NO_SEAT - 1;

impl WaiterCell {
    /// Remembers whoever is polling now.
    #[inline]
    pub(crate) fn set(&self, executor: Option<&Executor>, cx: &Context<'_>) {
        match executor.and_then(|executor| executor.polled.seat_of(cx)) {
            Some(seat) if self.seat.get() != OTHER => self.seat.set(seat),
            seat => self.set_other(seat, cx),
        }
    }

    /// Someone has another waker: who came now, or who came before.
    #[cold]
    fn set_other(&self, seat: Option<u32>, cx: &Context<'_>) {
        self.seat.set(seat.unwrap_or(OTHER));
        let other = if seat.is_none() { Some(Box::new(cx.waker().clone())) } else { None };
        drop(self.other.replace(other));
    }

    #[inline]
    pub(crate) fn wake(&self, executor: Option<&Executor>) {
        match (self.seat.replace(NO_SEAT), executor) {
            (seat, Some(executor)) if seat < OTHER => executor.wake_seat(seat),
            (NO_SEAT, _) => {}
            _ => self.wake_other(),
        }
    }

    /// Whoever waited does so no longer.
    pub(super) fn clear(&self) {
        self.seat.set(NO_SEAT);
        drop(self.other.take());
    }

    #[cold]
    fn wake_other(&self) {
        if let Some(waker) = self.other.take() {
            wake_foreign(*waker);
        }
    }
}

impl Default for WaiterCell {
    fn default() -> Self {
        WaiterCell { seat: Cell::new(NO_SEAT), other: Cell::new(None) }
    }
}

impl fmt::Debug for WaiterCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaiterCell")
    }
}

/// Lets one turn pass: the task runs again in the next one, which looks at the selector.
pub(crate) fn yield_once() -> YieldOnce {
    YieldOnce { yielded: false }
}

/// Has whoever is polling polled again in the next turn, which looks at the selector. The caller returns `Pending`.
#[inline]
pub(super) fn yield_to_others(cx: &Context<'_>) {
    let own = running::with(|executor| {
        executor.yielded.set(true);
        executor.own_waiter(cx)
    });
    own.flatten().unwrap_or_else(|| Waiter::foreign(cx.waker())).wake();
}

/// The future of [`yield_once`].
#[derive(Debug)]
pub(crate) struct YieldOnce {
    yielded: bool,
}

impl Future for YieldOnce {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        yield_to_others(cx);
        Poll::Pending
    }
}
