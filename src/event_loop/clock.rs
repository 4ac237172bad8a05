//! The clock seam. Nothing else in the crate reads a clock.

use std::time::{Duration, Instant};

/// A source of time, which also decides how time passes while the loop waits.
///
/// A clock that jumps returns zero from [`blocking`](Clock::blocking), so that the loop polls for events without
/// waiting. It moves on when the loop calls [`slept`](Clock::slept), since that means that there was no event.
///
/// # Examples
///
/// A clock that runs a thousand times as fast, to see a day pass in a minute and a half:
///
/// ```
/// use std::rc::Rc;
/// use std::time::{Duration, Instant};
/// use waterwheel::{Clock, EventLoop, SystemClock, sleep};
///
/// struct Fast {
///     start: Instant,
/// }
///
/// impl Clock for Fast {
///     fn now(&self) -> Instant {
///         self.start + SystemClock.now().duration_since(self.start) * 1000
///     }
///     fn blocking(&self, wait: Option<Duration>) -> Option<Duration> {
///         wait.map(|wait| wait / 1000)
///     }
/// }
///
/// let start = SystemClock.now();
/// let mut event_loop = EventLoop::builder().clock(Rc::new(Fast { start })).build()?;
/// event_loop.run(sleep(Duration::from_secs(10)));
/// let passed = SystemClock.now() - start;
/// assert!(passed >= Duration::from_millis(10));
/// # assert!(passed < Duration::from_secs(9));
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Clock {
    /// The current time. It must never go back.
    fn now(&self) -> Instant;

    /// How long the selector may block when the loop has nothing to do and wants to wait for `wait`. `None` is for
    /// ever.
    fn blocking(&self, wait: Option<Duration>) -> Option<Duration> {
        wait
    }

    /// Called when the loop wanted to wait for `wait` and no event came.
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
