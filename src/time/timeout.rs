//! A future that may take only so long.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::errors::TimedOut;
use crate::event_loop::get_running_loop;
use crate::executor::{YieldOnce, yield_once};
use crate::time::{Sleep, sleep, sleep_until};

/// Gives the future's output, or [`TimedOut`] if it takes longer than `duration`, counted from the first poll. The
/// future is dropped together with the `Timeout`, not before.
///
/// The future is polled before the time is looked at, so one that is done is never timed out, and no timer is armed
/// for it. A duration of zero lets one turn pass, as a [`sleep`](sleep()) for zero does, and then gives the future two
/// polls, one more turn apart: so whoever asks again and again what is ready lets the others run.
///
/// # Cancel safety
///
/// As that of the future: dropping the `Timeout` drops it. All futures of this crate can be timed out and tried again
/// without losing a byte.
///
/// # Errors
///
/// [`TimedOut`], which converts into an `io::Error`.
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
/// A connection that is to be there within five seconds, and a line from it within a minute:
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
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    let before = if duration.is_zero() { Before::Turn(yield_once()) } else { Before::Nothing };
    Timeout { future: future.into_future(), before, sleep: sleep(duration) }
}

/// Gives the future's output, or [`TimedOut`] if it is not there by `deadline`, by the loop's clock. Several futures
/// may share one deadline; all else is as with [`timeout`].
///
/// # Cancel safety, errors
///
/// As [`timeout`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{get_running_loop, timeout_at};
///
/// # waterwheel::run(async {
/// // Both together may take five seconds.
/// let deadline = get_running_loop().time() + Duration::from_secs(5);
/// let one = timeout_at(deadline, async { 1 }).await?;
/// let other = timeout_at(deadline, async { 2 }).await?;
/// # assert_eq!(one + other, 3);
/// # Ok::<(), waterwheel::TimedOut>(())
/// # }).unwrap();
/// ```
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

/// What comes before the first poll of the future. A timeout without any time lets one turn pass, so that a loop of such
/// timeouts around what is always ready does not keep others from running. It cannot come later: what the future has given
/// would have to be held meanwhile, and would be lost if the timeout were dropped.
#[derive(Debug)]
enum Before {
    /// The future is polled.
    Nothing,
    /// There is no time: a turn passes.
    Turn(YieldOnce),
    /// It is not known yet whether there is time.
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
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(this.sleep).poll(cx).map(|()| Err(TimedOut))
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
