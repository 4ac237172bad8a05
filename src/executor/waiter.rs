//! A waiter is what a future of this crate leaves behind when it has to wait, so that it can be woken.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::mem::replace;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::errors::panic_text;
use crate::executor::current;
use crate::executor::{Executor, NO_SEAT, Reason, TaskNode, leave};
use crate::report;

/// A task or foreign future that waits, and can be woken once.
#[derive(Default)]
pub(crate) enum Waiter {
    #[default]
    Nobody,
    /// A task of a loop on this thread, which polled us with its own waker. Remembering and waking it takes no atomic
    /// operation.
    Task(Rc<TaskNode>),
    /// A poller with another waker, such as a combinator of another library, or another executor.
    Foreign(Box<Waker>),
}

impl Waiter {
    /// The waiter of the current poll.
    #[inline]
    pub(crate) fn of(cx: &Context<'_>) -> Waiter {
        let own = current::with(|executor| executor.own_waiter(cx));
        own.flatten().unwrap_or_else(|| Waiter::foreign(cx.waker()))
    }

    /// The waiter of the current poll. Leaves the reason why it waits.
    #[inline]
    pub(crate) fn leaving(reason: Reason, cx: &Context<'_>) -> Waiter {
        match current::with(|executor| executor.own_waiter(cx)).flatten() {
            Some(Waiter::Task(node)) => {
                node.leave(reason);
                Waiter::Task(node)
            }
            _ => {
                leave(reason);
                Waiter::foreign(cx.waker())
            }
        }
    }

    /// Whether this is the task of this seat.
    pub(crate) fn is_seat(&self, seat: u32) -> bool {
        matches!(self, Waiter::Task(node) if node.seat() == seat)
    }

    /// The task that waits, if it polled us with its own waker.
    pub(crate) fn task(&self) -> Option<&Rc<TaskNode>> {
        match self {
            Waiter::Task(node) => Some(node),
            Waiter::Nobody | Waiter::Foreign(_) => None,
        }
    }

    #[cold]
    pub(super) fn foreign(waker: &Waker) -> Waiter {
        Waiter::Foreign(Box::new(waker.clone()))
    }

    /// Wakes the waiter, on the loop's thread. Must not be called under a borrow, since a foreign waker is user code.
    #[inline]
    pub(crate) fn wake(self) {
        match self {
            Waiter::Nobody => {}
            Waiter::Task(node) => node.wake(),
            Waiter::Foreign(waker) => wake_foreign(*waker),
        }
    }
}

/// A foreign waker is user code. If it panics, the other waiters must still be woken.
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

/// A cell for one waiter, the latest.
///
/// There are three cases: there is no waiter; the waiter is a task of the executor that is passed to every call, and
/// only its seat is kept, so that no reference is counted; or the waiter is a foreign waker. An enum of the three would
/// cost each message 15 instructions more than the numbers do. If a task ends before it is woken, the next task in its
/// seat is woken for nothing.
pub(crate) struct WaiterCell {
    /// The seat of the task that waits, [`NOBODY`] or [`FOREIGN`].
    seat: Cell<u32>,
    /// The waker of a foreign waiter. Invariant: the inner option is set exactly while `seat` is [`FOREIGN`]. The box
    /// is kept until `clear`, so that a foreign waiter that waits again does not allocate again.
    foreign: Cell<Option<Box<Option<Waker>>>>,
}

/// Instead of a seat: there is no waiter.
const NOBODY: u32 = NO_SEAT;

/// Instead of a seat: the waiter is a foreign waker.
const FOREIGN: u32 = NO_SEAT - 1;

impl WaiterCell {
    /// Remembers the current poller.
    #[inline]
    pub(crate) fn set(&self, executor: Option<&Executor>, cx: &Context<'_>) {
        match executor.and_then(|executor| executor.polled.seat_of(cx)) {
            Some(seat) if self.seat.get() != FOREIGN => self.seat.set(seat),
            seat => self.change_foreign(seat, cx),
        }
    }

    /// Remembers the current poller, if a foreign waker has to be kept or dropped for that.
    #[cold]
    fn change_foreign(&self, seat: Option<u32>, cx: &Context<'_>) {
        // The clone comes before any change, since cloning a foreign waker is user code, which may wake this cell.
        let waker = if seat.is_none() { Some(cx.waker().clone()) } else { None };
        self.seat.set(seat.unwrap_or(FOREIGN));
        drop(self.exchange_foreign(waker));
    }

    /// Exchanges the foreign waker. The caller drops or wakes the earlier one, which runs user code.
    fn exchange_foreign(&self, waker: Option<Waker>) -> Option<Waker> {
        let mut place = self.foreign.take().unwrap_or_default();
        let earlier = replace(&mut *place, waker);
        self.foreign.set(Some(place));
        earlier
    }

    #[inline]
    pub(crate) fn wake(&self, executor: Option<&Executor>) {
        match (self.seat.replace(NOBODY), executor) {
            (seat, Some(executor)) if seat < FOREIGN => executor.wake_seat(seat),
            (NOBODY, _) => {}
            _ => self.wake_foreign(),
        }
    }

    #[cold]
    fn wake_foreign(&self) {
        if let Some(waker) = self.exchange_foreign(None) {
            wake_foreign(waker);
        }
    }

    /// Whether there is no waiter.
    pub(super) fn is_empty(&self) -> bool {
        self.seat.get() == NOBODY
    }

    /// Whether the task of this seat waits.
    pub(crate) fn is_seat(&self, seat: u32) -> bool {
        self.seat.get() == seat
    }

    /// Forgets the waiter.
    pub(super) fn clear(&self) {
        self.seat.set(NOBODY);
        drop(self.foreign.take());
    }
}

impl Default for WaiterCell {
    fn default() -> Self {
        WaiterCell { seat: Cell::new(NOBODY), foreign: Cell::new(None) }
    }
}

impl fmt::Debug for WaiterCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WaiterCell")
    }
}

/// Lets one turn pass. The task runs again in the next turn, which polls the selector.
pub(crate) fn yield_once() -> YieldOnce {
    YieldOnce { yielded: false }
}

/// Wakes the polling task for the next turn, which polls the selector. The caller must return `Pending`.
#[inline]
pub(super) fn yield_to_others(cx: &Context<'_>) {
    let own = current::with(|executor| {
        executor.yielded.set(true);
        executor.own_waiter(cx)
    });
    match own.flatten() {
        Some(own) => own.wake(),
        None => wake_foreign(cx.waker().clone()),
    }
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
