//! A future that may take only so long.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use crate::errors::TimedOut;
use crate::time::{Sleep, sleep};

/// Gives the future's output, or [`TimedOut`] if it takes longer than `duration`, counted from the first poll. The
/// future is dropped together with the `Timeout`, not before.
///
/// The future is polled before the time is looked at, so one that is done is never timed out, and no timer is armed
/// for it. A duration of zero gives it two polls, one turn apart.
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
#[doc(alias = "wait_for")]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep(duration) }
}

pin_project! {
    /// The future of [`timeout`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, TimedOut>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(this.sleep).poll(cx).map(|()| Err(TimedOut))
    }
}
