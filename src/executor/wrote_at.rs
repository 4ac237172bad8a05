//! Where a stream was last written to in this step, for debug mode, which names the line if nobody drains.
//!
//! Whoever writes leaves the line always, since asking whether somebody wants it would cost more than the one instruction
//! that this takes. It is a thread's, as the [budget](super::budget) is, since a thread takes one step at a time.

use std::cell::Cell;
use std::panic::Location;

thread_local! {
    static WROTE_AT: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

#[inline(always)]
pub(crate) fn note_write(at: &'static Location<'static>) {
    WROTE_AT.set(Some(at));
}

/// A step begins, in which nothing was written.
pub(crate) fn forget_write() {
    WROTE_AT.set(None);
}

/// Where something was last written by the step that is going on.
pub(crate) fn last_write() -> Option<&'static Location<'static>> {
    WROTE_AT.get()
}
