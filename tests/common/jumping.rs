//! Runs a test on a clock that jumps to the next deadline, so that an hour of sleep takes no time.

use std::rc::Rc;
use std::time::Duration;

use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, sleep};

/// Runs on a clock that jumps. No incident may be reported meanwhile.
pub(crate) fn run<F: Future>(main: F) -> F::Output {
    let mut event_loop = EventLoop::builder().clock(Rc::new(ManualClock::new())).build().unwrap();
    event_loop.handle().set_exception_handler(|incident| panic!("{incident:?}"));
    event_loop.run(main)
}

pub(crate) async fn after<T>(seconds: u64, value: T) -> T {
    sleep(Duration::from_secs(seconds)).await;
    value
}
