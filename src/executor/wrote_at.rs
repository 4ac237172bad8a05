//! Where a stream was last written to in this step, for debug mode, which reports the line if the stream is not
//! drained.
//!
//! It belongs to the thread, like the [budget](super::budget), since a thread takes one step at a time.

use std::cell::Cell;
use std::panic::Location;

thread_local! {
    static WROTE_AT: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// Records the line of a write. `None` for a write that needs no drain, and at the beginning of a step, which has not
/// written anything yet.
pub(crate) fn note_write(at: Option<&'static Location<'static>>) {
    WROTE_AT.set(at);
}

/// Where the current step last wrote something.
pub(crate) fn last_write() -> Option<&'static Location<'static>> {
    WROTE_AT.get()
}
