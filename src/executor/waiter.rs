//! Who waits: what a leaf future leaves behind when it has to wait, and what wakes it.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use crate::errors::panic_text;
use crate::executor::running;
use crate::executor::{Executor, NO_SEAT, TaskNode, poll_operation};
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

/// Room for any number of waiters. None costs no memory beyond a pointer.
#[derive(Default)]
pub(crate) struct Waiters(Cell<Option<Box<List>>>);

#[derive(Default)]
struct List {
    /// In the order in which they began to wait.
    waiting: Vec<(u64, Waiter)>,
    /// Never goes back, so that a ticket whose waiter was woken names nobody else.
    next_ticket: u64,
}

impl Waiters {
    /// Wakes all, in the order in which they began to wait.
    pub(crate) fn wake_all(&self) {
        let Some(mut list) = self.0.take() else { return };
        let woken = std::mem::take(&mut list.waiting);
        self.0.set(Some(list));
        for (_, waiter) in woken {
            waiter.wake();
        }
    }

    /// Waits until `ready` answers something, asking it before each wait. Any number may wait; each alone may give
    /// up, by dropping the future.
    pub(crate) fn wait<R, F: FnMut() -> Option<R>>(&self, ready: F) -> Wait<'_, F> {
        Wait { waiters: self, ready, ticket: None }
    }

    fn put(&self, ticket: Option<u64>, waiter: Waiter) -> u64 {
        let mut list = self.0.take().unwrap_or_default();
        if let Some((number, place)) = list.waiting.iter_mut().find(|(number, _)| Some(*number) == ticket) {
            let number = *number;
            let earlier = std::mem::replace(place, waiter);
            // Dropping a foreign waker is user code, which may come back here.
            self.0.set(Some(list));
            drop(earlier);
            return number;
        }
        let number = list.next_ticket;
        list.next_ticket += 1;
        list.waiting.push((number, waiter));
        self.0.set(Some(list));
        number
    }

    fn remove(&self, ticket: u64) {
        let Some(mut list) = self.0.take() else { return };
        let place = list.waiting.iter().position(|(number, _)| *number == ticket);
        let waiter = place.map(|place| list.waiting.remove(place));
        self.0.set(Some(list));
        drop(waiter);
    }
}

/// The future of [`Waiters::wait`].
pub(crate) struct Wait<'a, F> {
    waiters: &'a Waiters,
    ready: F,
    ticket: Option<u64>,
}

impl<F> Unpin for Wait<'_, F> {}

impl<R, F: FnMut() -> Option<R>> Future for Wait<'_, F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        ready!(poll_operation(cx));
        if let Some(answer) = (self.ready)() {
            return Poll::Ready(answer);
        }
        self.ticket = Some(self.waiters.put(self.ticket, Waiter::of(cx)));
        Poll::Pending
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.waiters.remove(ticket);
        }
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
