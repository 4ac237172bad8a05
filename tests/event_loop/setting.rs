//! A loop whose turns a test takes one by one.

use crate::common::trace::Trace;
use waterwheel::{EventLoop, LoopHandle};

/// A loop, its handle, and a trace.
pub(crate) fn setting() -> (EventLoop, LoopHandle, Trace) {
    let event_loop = EventLoop::new().unwrap();
    let handle = event_loop.handle();
    (event_loop, handle, Trace::default())
}

/// Runs one turn, without waiting.
pub(crate) fn one_turn(event_loop: &mut EventLoop) {
    event_loop.handle().stop();
    event_loop.run_forever();
}
