//! A clock that a test moves.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::event_loop::Clock;

/// A clock that stands still while something is ready, and jumps to the next deadline when nothing is.
///
/// A program that waits only for time runs without waiting, and always in the same way. The loop polls sockets before
/// each jump, but does not wait for bytes that are on their way. So with real sockets, the clock may jump before such
/// bytes arrive.
///
/// ```
/// use std::rc::Rc;
/// use std::time::Duration;
/// use waterwheel::{EventLoop, get_running_loop, sleep, testing::ManualClock};
///
/// let clock = Rc::new(ManualClock::new());
/// let mut event_loop = EventLoop::builder().clock(clock.clone()).build()?;
/// let start = clock.elapsed();
/// event_loop.run(sleep(Duration::from_secs(3600)));
/// assert_eq!(clock.elapsed() - start, Duration::from_secs(3600));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct ManualClock {
    start: Instant,
    elapsed: Cell<Duration>,
}

impl ManualClock {
    /// A clock that starts at the current time, and stands still.
    #[expect(clippy::new_without_default, reason = "a default should be the same each time; this begins now")]
    pub fn new() -> Self {
        ManualClock { start: crate::event_loop::SystemClock.now(), elapsed: Cell::new(Duration::ZERO) }
    }

    /// How much time has passed by this clock.
    pub fn elapsed(&self) -> Duration {
        self.elapsed.get()
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.elapsed.set(self.elapsed.get() + duration);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.start + self.elapsed.get()
    }

    fn blocking(&self, wait: Option<Duration>) -> Option<Duration> {
        wait.map(|_| Duration::ZERO)
    }

    fn slept(&self, wait: Duration) {
        self.advance(wait);
    }
}
