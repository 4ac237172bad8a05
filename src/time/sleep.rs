//! Sleeping, with a timer that wakes the task.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::event_loop::{LoopHandle, get_running_loop};
use crate::executor::{Awaited, Reason, Waiter, YieldOnce, yield_once};
use crate::timers::TimerKey;

/// Waits for `duration`, never less.
///
/// The time counts from the first poll, as in asyncio. A duration of zero lets everything else that is ready run once,
/// as [`yield_now`](crate::yield_now) does. If the clock cannot represent the deadline, it waits for thirty years.
///
/// # Cancel safety
///
/// Dropping the future removes the timer at once.
///
/// # Panics
///
/// Panics if it is polled outside a running loop, unless the duration is zero.
#[doc(alias = "asyncio.sleep")]
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let state = if duration.is_zero() { State::Yield(yield_once()) } else { State::For(duration) };
    Sleep { state, at: Location::caller() }
}

/// Waits until `deadline` by the loop's clock, never less. If the deadline has passed, this lets everything else that
/// is ready run once, as [`sleep`] for zero does, so a task that is late does not keep the others from running.
///
/// # Cancel safety
///
/// It is as cancel safe as [`sleep`].
///
/// # Panics
///
/// Panics if it is polled outside a running loop.
///
/// # Examples
///
/// A round of work every ten seconds, however long the work takes:
///
/// ```
/// use std::rc::Rc;
/// use std::time::Duration;
/// use waterwheel::{EventLoop, get_running_loop, sleep, sleep_until, testing::ManualClock};
///
/// let clock = Rc::new(ManualClock::new());
/// let mut event_loop = EventLoop::builder().clock(clock.clone()).build()?;
/// event_loop.run(async {
///     let deadline = get_running_loop().time() + Duration::from_secs(10);
///     sleep(Duration::from_secs(7)).await; // work
///     sleep_until(deadline).await;
/// });
/// assert_eq!(clock.elapsed(), Duration::from_secs(10));
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { state: State::Until(deadline), at: Location::caller() }
}

/// The future of [`sleep`] and [`sleep_until`].
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    state: State,
    /// Where the sleep was made.
    at: &'static Location<'static>,
}

enum State {
    /// Not polled yet. The time counts from the first poll.
    For(Duration),
    /// Not polled yet. The deadline is known.
    Until(Instant),
    /// The time was zero, or the deadline has passed. One turn passes.
    Yield(YieldOnce),
    /// The loop has a timer for it, which is armed or has fired.
    Armed(LoopHandle, TimerKey),
    /// The time is over. On a closed loop, the future comes here without being woken.
    Over,
}

impl Sleep {
    /// Makes it wait until `deadline`, even if it is over already. An armed timer is moved, which costs less than
    /// arming a new one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterwheel::{get_running_loop, sleep, timeout};
    ///
    /// # waterwheel::run(async {
    /// let mut idle = sleep(Duration::from_secs(60));
    /// # let _ = timeout(Duration::from_millis(1), &mut idle).await;
    /// idle.reset(get_running_loop().time() + Duration::from_millis(1));
    /// idle.await;
    /// # });
    /// ```
    #[doc(alias = "reschedule")]
    pub fn reset(&mut self, deadline: Instant) {
        if let State::Armed(event_loop, key) = &self.state {
            if event_loop.core().reschedule(*key, deadline) {
                return;
            }
        }
        self.state = State::Until(deadline);
    }

    /// Polls for a future that sleeps, with the line where this was made.
    pub(super) fn poll_for(&mut self, awaited: Awaited, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_because(Reason::new(awaited, self.at), cx)
    }

    fn arm(&mut self, event_loop: LoopHandle, deadline: Instant, waiter: Waiter) -> Poll<()> {
        self.state = match event_loop.core().wake_at(deadline, waiter) {
            Some(key) => State::Armed(event_loop, key),
            None => State::Over,
        };
        Poll::Pending
    }

    /// Polls for a future that waits for this reason.
    pub(super) fn poll_because(&mut self, reason: Reason, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Armed(event_loop, key) => {
                if event_loop.core().is_armed(*key) {
                    event_loop.core().set_timer_waiter(*key, Waiter::leaving(reason, cx));
                    return Poll::Pending;
                }
                self.state = State::Over;
                Poll::Ready(())
            }
            State::For(duration) => {
                let event_loop = get_running_loop();
                let deadline = event_loop.core().deadline_after(*duration);
                self.arm(event_loop, deadline, Waiter::leaving(reason, cx))
            }
            State::Until(deadline) => {
                let (event_loop, deadline) = (get_running_loop(), *deadline);
                if deadline > event_loop.time() {
                    return self.arm(event_loop, deadline, Waiter::leaving(reason, cx));
                }
                self.state = State::Yield(yield_once());
                self.poll_because(reason, cx)
            }
            State::Yield(once) => Pin::new(once).poll(cx),
            State::Over => Poll::Ready(()),
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_for(Awaited::Sleep, cx)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let State::Armed(event_loop, key) = &self.state {
            drop(event_loop.core().disarm(*key));
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::For(_) | State::Until(_) | State::Yield(_) => "Sleep(not begun or yielding)",
            State::Armed(..) => "Sleep(armed)",
            State::Over => "Sleep(over)",
        })
    }
}
