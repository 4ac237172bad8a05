//! Where a stream was last written to in this step, for debug mode, which names the line if nobody drains.
//!
//! It is a thread's, as the [budget](super::budget) is, since a thread takes one step at a time.

use std::cell::Cell;
use std::panic::Location;

thread_local! {
    static WROTE_AT: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// Something is written on this line. `None` if it was written in a way that needs no draining, or if a step begins, in
/// which nothing was written.
pub(crate) fn note_write(at: Option<&'static Location<'static>>) {
    WROTE_AT.set(at);
}

/// Where something was last written by the step that is going on.
pub(crate) fn last_write() -> Option<&'static Location<'static>> {
    WROTE_AT.get()
}
