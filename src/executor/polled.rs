//! Which task is being polled, so that a leaf future of this crate knows its own task without touching its waker.

use std::cell::Cell;
use std::ptr;
use std::task::{Context, Waker};

/// The task that is being polled, if one is.
pub(super) struct Polled {
    seat: Cell<u32>,
    /// Where the waker stands that it is polled with; null while none is. It is compared and never followed.
    ///
    /// Whoever comes with a waker at this address comes with this one: the poll has borrowed it, so it is there until
    /// the poll is over, and no other can stand in its place. A clone of it stands elsewhere, and counts as foreign.
    waker: Cell<*const Waker>,
}

impl Polled {
    pub(super) fn nobody() -> Self {
        Polled { seat: Cell::new(0), waker: Cell::new(ptr::null()) }
    }

    /// Whether a task is being polled.
    pub(super) fn is_somebody(&self) -> bool {
        !self.waker.get().is_null()
    }

    /// Polls the task in a seat, with this waker.
    #[inline]
    pub(super) fn during<R>(&self, seat: u32, waker: &Waker, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.seat.set(seat);
        self.waker.set(waker);
        let _until_the_end = Polling(self);
        poll(&mut Context::from_waker(waker))
    }

    /// The seat of the task that is being polled, if it came with the waker that it is polled with.
    #[inline]
    pub(super) fn seat_of(&self, cx: &Context<'_>) -> Option<u32> {
        ptr::eq(cx.waker(), self.waker.get()).then_some(self.seat.get())
    }
}

/// A poll that is going on. When it is over, or panics, nobody is polled.
struct Polling<'a>(&'a Polled);

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.waker.set(ptr::null());
    }
}
