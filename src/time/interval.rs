//! Ticks at regular times.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::event_loop::get_running_loop;
use crate::executor::{Awaited, Reason, poll_operation};
use crate::time::{Sleep, sleep_until};

/// Ticks every `period`, beginning with a tick at once.
///
/// # Panics
///
/// Panics if the period is zero, or if no loop runs on this thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::interval;
///
/// waterwheel::run(async {
///     let mut ticks = interval(Duration::from_millis(1));
///     let first = ticks.tick().await;
///     assert_eq!(ticks.tick().await - first, Duration::from_millis(1));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(get_running_loop().time(), period)
}

/// Like [`interval`], with the first tick at `start`, by the loop's clock.
///
/// # Panics
///
/// Panics if the period is zero.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "the period of an interval must be over zero");
    Interval { sleep: sleep_until(start), next: start, period, missed: MissedTicks::Burst }
}

/// What an [`Interval`] does about ticks that came due while nothing awaited them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "MissedTickBehavior")]
pub enum MissedTicks {
    /// The missed ticks come one after the other without waiting, until the interval is on time again. So there are as
    /// many ticks as periods. Each of them counts against the budget of the step, so other tasks still get to run.
    #[default]
    Burst,
    /// The interval starts over: the next tick comes one period after the late one.
    Delay,
    /// The missed ticks are left out: the next tick comes at the next multiple of the period.
    Skip,
}

/// Ticks at regular times. It is made by [`interval`] and [`interval_at`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{MissedTicks, get_running_loop, interval_at, sleep};
///
/// waterwheel::run(async {
///     let (start, period) = (get_running_loop().time(), Duration::from_millis(4));
///     let mut ticks = interval_at(start, period);
///     ticks.set_missed_ticks(MissedTicks::Skip);
///     assert_eq!((ticks.period(), ticks.missed_ticks()), (period, MissedTicks::Skip));
///     assert_eq!(ticks.tick().await, start);
///     sleep(Duration::from_millis(9)).await; // Two ticks are missed. One of them comes now.
///     let late = ticks.tick().await;
///     assert!(ticks.tick().await > late);
/// });
/// ```
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    /// When the next tick is due.
    next: Instant,
    period: Duration,
    missed: MissedTicks,
}

impl Interval {
    /// Waits for the next tick, and returns when it was due.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no tick.
    ///
    /// # Panics
    ///
    /// Panics if the future is polled outside a running loop.
    #[track_caller]
    pub fn tick(&mut self) -> impl Future<Output = Instant> {
        let at = Location::caller();
        poll_fn(move |cx| self.poll_due(Reason::new(Awaited::Tick, at), cx))
    }

    /// Polls for the next tick, as [`tick`](Interval::tick) does.
    ///
    /// # Examples
    ///
    /// In a hand-written future:
    ///
    /// ```
    /// use std::future::Future;
    /// use std::pin::Pin;
    /// use std::rc::Rc;
    /// use std::task::{Context, Poll, ready};
    /// use std::time::Duration;
    /// use waterwheel::{EventLoop, Interval, interval, testing::ManualClock};
    ///
    /// /// Counts down, once per period.
    /// struct Countdown {
    ///     ticks: Interval,
    ///     left: u32,
    /// }
    ///
    /// impl Future for Countdown {
    ///     type Output = &'static str;
    ///
    ///     fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'static str> {
    ///         while self.left > 0 {
    ///             ready!(self.ticks.poll_tick(cx));
    ///             self.left -= 1;
    ///         }
    ///         Poll::Ready("lift-off")
    ///     }
    /// }
    ///
    /// let clock = Rc::new(ManualClock::new());
    /// let mut event_loop = EventLoop::builder().clock(clock.clone()).build()?;
    /// let said = event_loop.run(async { Countdown { ticks: interval(Duration::from_secs(1)), left: 10 }.await });
    /// // The first tick comes at once.
    /// assert_eq!((said, clock.elapsed()), ("lift-off", Duration::from_secs(9)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        self.poll_due(Reason::polled(Awaited::Tick), cx)
    }

    fn poll_due(&mut self, reason: Reason, cx: &mut Context<'_>) -> Poll<Instant> {
        let now = get_running_loop().time();
        if self.next <= now {
            // There may be any number of late ticks, so each takes an operation from the budget of the step.
            ready!(poll_operation(cx));
        } else {
            ready!(self.sleep.poll_because(reason, cx));
        }
        let tick = self.next;
        self.plan(self.after(tick, now));
        Poll::Ready(tick)
    }

    /// Starts over: the next tick comes one period from now.
    ///
    /// # Panics
    ///
    /// Panics if no loop runs on this thread.
    #[track_caller]
    pub fn reset(&mut self) {
        self.plan(get_running_loop().time() + self.period);
    }

    /// The time from one tick to the next.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Sets what is done about missed ticks. The default is [`MissedTicks::Burst`].
    pub fn set_missed_ticks(&mut self, missed: MissedTicks) {
        self.missed = missed;
    }

    /// What is done about missed ticks.
    pub fn missed_ticks(&self) -> MissedTicks {
        self.missed
    }

    fn plan(&mut self, next: Instant) {
        self.next = next;
        self.sleep.reset(next);
    }

    /// The time of the tick after the one that was due at `tick` and is delivered at `now`.
    fn after(&self, tick: Instant, now: Instant) -> Instant {
        let next = tick + self.period;
        if next > now {
            return next;
        }
        match self.missed {
            MissedTicks::Burst => next,
            MissedTicks::Delay => now + self.period,
            MissedTicks::Skip => {
                // `late` is less than the period, so its seconds and nanoseconds fit their types.
                let late = (now - tick).as_nanos() % self.period.as_nanos();
                let (seconds, nanos) = (late / 1_000_000_000, late % 1_000_000_000);
                now + self.period - Duration::new(seconds as u64, nanos as u32)
            }
        }
    }
}
