//! The second seam: time. Nothing else in the crate reads a clock.

use std::time::{Duration, Instant};

/// What time it is, and how it passes while the loop waits.
///
/// A clock that jumps answers zero from [`blocking`](Clock::blocking), so that the loop looks for events without
/// waiting, and moves on when [`slept`](Clock::slept) says that there was none.
pub trait Clock {
    /// The time. It must never go back.
    fn now(&self) -> Instant;

    /// The loop has nothing to do and wants to wait for `wait`, or for ever: how long may the selector block?
    fn blocking(&self, wait: Option<Duration>) -> Option<Duration> {
        wait
    }

    /// The loop wanted to wait for `wait`, and nothing happened while the selector blocked.
    fn slept(&self, wait: Duration) {
        let _ = wait;
    }
}

/// The operating system's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
}
