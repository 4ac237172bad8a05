//! Time that passes only while a loop waits.

use std::rc::Rc;

use waterwheel::EventLoop;
use waterwheel::testing::ManualClock;

use crate::common::alone::alone;

/// Runs a test in a process of its own, on a loop whose clock jumps to the next deadline when nothing is ready, and
/// stands still otherwise.
pub(crate) fn with_clock<F: Future<Output = ()>>(test: impl FnOnce(Rc<ManualClock>) -> F + Send + 'static) {
    alone(move || {
        let clock = Rc::new(ManualClock::new());
        let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
        event_loop.run(test(clock));
    });
}
