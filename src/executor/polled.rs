//! Which task is being polled, so that a future of this crate finds its own task without touching the waker.

use std::cell::Cell;
use std::ptr;
use std::task::{Context, Waker};

/// The task that is being polled, if one is.
pub(super) struct Polled {
    seat: Cell<u32>,
    /// The address of the waker that the task is polled with, or null while no task is polled. It is compared, never
    /// dereferenced.
    ///
    /// A waker at this address is this very waker: the poll borrows it, so no other can have its address until the poll
    /// is over. A clone has another address, and is treated as a foreign waker.
    waker: Cell<*const Waker>,
}

impl Polled {
    pub(super) fn none() -> Self {
        Polled { seat: Cell::new(0), waker: Cell::new(ptr::null()) }
    }

    /// Whether a task is being polled.
    pub(super) fn is_polling(&self) -> bool {
        !self.waker.get().is_null()
    }

    /// The seat of the task that is being polled.
    pub(super) fn seat(&self) -> Option<u32> {
        self.is_polling().then_some(self.seat.get())
    }

    /// Polls the task of a seat with this waker.
    #[inline(always)]
    pub(super) fn during<R>(&self, seat: u32, waker: &Waker, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.seat.set(seat);
        self.waker.set(waker);
        let _until_the_end = Polling(self);
        poll(&mut Context::from_waker(waker))
    }

    /// The seat of the task that is being polled, if `cx` has the waker that the loop polls it with.
    #[inline]
    pub(super) fn seat_of(&self, cx: &Context<'_>) -> Option<u32> {
        ptr::eq(cx.waker(), self.waker.get()).then_some(self.seat.get())
    }
}

/// A poll that is going on. When it returns or panics, no task is polled any more.
struct Polling<'a>(&'a Polled);

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.waker.set(ptr::null());
    }
}
