//! A limit for the time that a future may take.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::errors::TimedOut;
use crate::event_loop::get_running_loop;
use crate::executor::{Awaited, ReasonsBefore, YieldOnce, yield_once};
use crate::time::{Sleep, sleep, sleep_until};

/// Waits for a future for at most `duration`, counted from the first poll. Returns its output, or [`TimedOut`] if it
/// takes longer. The future is dropped together with the `Timeout`, not before.
///
/// The future is polled before the time is checked. So a future that is done is never timed out, and no timer is armed
/// if it is done at once. With a duration of zero, one turn passes first, as in a [`sleep`](sleep()) for zero, and then
/// the future is polled twice, one turn apart. So a task that does this in a loop lets the others run.
///
/// # Cancel safety
///
/// Dropping the `Timeout` drops the future, so it is as cancel safe as the future. All futures of this crate can be
/// timed out and tried again without losing a byte.
///
/// # Errors
///
/// Fails with [`TimedOut`], which converts into an `io::Error`, if the time is up before the future is done.
///
/// # Panics
///
/// Panics if it is polled outside a running loop, unless the future is done at once or the duration is zero.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{TimedOut, timeout};
///
/// waterwheel::run(async {
///     let never = std::future::pending::<()>();
///     assert!(timeout(Duration::from_millis(1), never).await.is_err());
///     assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7));
/// });
/// ```
///
/// Connecting within five seconds, and reading a line within a minute:
///
/// ```no_run
/// # use std::time::Duration;
/// use waterwheel::{ReadError, open_connection, timeout};
///
/// # async fn example() -> Result<(), ReadError> {
/// let (mut reader, writer) = timeout(Duration::from_secs(5), open_connection("example.org:80")).await??;
/// let line = timeout(Duration::from_secs(60), reader.readline()).await??;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "wait_for")]
#[track_caller]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    let before = if duration.is_zero() { Before::Turn(yield_once()) } else { Before::Nothing };
    Timeout { future: future.into_future(), before, sleep: sleep(duration) }
}

/// Waits for a future until `deadline` by the loop's clock. Returns its output, or [`TimedOut`] if it is not done by
/// then. Several futures may share one deadline. Otherwise this is like [`timeout`].
///
/// # Cancel safety
///
/// It is as cancel safe as [`timeout`].
///
/// # Errors
///
/// Fails as [`timeout`] does.
///
/// # Panics
///
/// Panics if it is polled outside a running loop.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{get_running_loop, timeout_at};
///
/// # waterwheel::run(async {
/// // Together the two futures may take five seconds.
/// let deadline = get_running_loop().time() + Duration::from_secs(5);
/// let one = timeout_at(deadline, async { 1 }).await?;
/// let other = timeout_at(deadline, async { 2 }).await?;
/// # assert_eq!(one + other, 3);
/// # Ok::<(), waterwheel::TimedOut>(())
/// # }).unwrap();
/// ```
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    Timeout { future: future.into_future(), before: Before::TurnIfPast(deadline), sleep: sleep_until(deadline) }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        before: Before,
        sleep: Sleep,
    }
}

/// What happens before the first poll of the future. If there is no time left, one turn passes, so that a loop of such
/// timeouts around a future that is always ready does not keep other tasks from running. The turn must pass before the
/// poll: otherwise the output would have to be kept for a turn, and would be lost if the timeout were dropped
/// meanwhile.
#[derive(Debug)]
enum Before {
    /// Nothing: the future is polled at once.
    Nothing,
    /// A turn passes, since there is no time left.
    Turn(YieldOnce),
    /// A turn passes if this deadline has passed at the first poll.
    TurnIfPast(Instant),
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimedOut>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if !matches!(this.before, Before::Nothing) {
            ready!(this.before.poll(cx));
        }
        let before = ReasonsBefore::now();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        this.sleep.poll_for(Awaited::Timeout, cx).map(|()| {
            before.given_up();
            Err(TimedOut)
        })
    }
}

impl Before {
    #[cold]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Before::TurnIfPast(deadline) = self {
            let is_past = *deadline <= get_running_loop().time();
            *self = if is_past { Before::Turn(yield_once()) } else { Before::Nothing };
        }
        if let Before::Turn(turn) = self {
            ready!(Pin::new(turn).poll(cx));
            *self = Before::Nothing;
        }
        Poll::Ready(())
    }
}
