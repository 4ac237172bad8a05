//! When a future is dropped.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use waterwheel::spawn;

use super::remains::live_bytes;

/// A moment at which a future may be dropped. The future is polled only when it is woken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// After this many polls, as soon as the last of them was pending. With 0, the future is never polled.
    Waiting(usize),
    /// After this many polls, when it was woken again: what it waits for is ready, but the future does not know yet.
    Woken(usize),
}

/// Awaits a future until a moment, and drops it then. `None` if it was not done.
pub(super) async fn drop_at<F: IntoFuture>(moment: Moment, future: F) -> Option<F::Output> {
    let mut future: Option<Pin<Box<F::IntoFuture>>> = Some(Box::pin(future.into_future()));
    let mut polled = 0;
    poll_fn(move |cx| {
        let (Moment::Waiting(polls) | Moment::Woken(polls)) = moment;
        if polled < polls {
            polled += 1;
            match future.as_mut().expect("it is not polled once it was dropped").as_mut().poll(cx) {
                Poll::Ready(output) => return Poll::Ready(Some(output)),
                Poll::Pending if polled < polls || matches!(moment, Moment::Woken(_)) => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        future = None;
        Poll::Ready(None)
    })
    .await
}

/// Like [`drop_at`], while a task runs `cause`, which the future waits for. The task is cancelled once the future is
/// dropped.
pub(super) async fn drop_while<F: IntoFuture>(
    moment: Moment,
    future: F,
    cause: impl Future<Output = ()> + 'static,
) -> Option<F::Output> {
    let _cause = spawn(cause).cancel_on_drop();
    drop_at(moment, future).await
}

/// Runs `operation`, dropped at a moment; if it was not done, runs it again to its end. Returns whether the first run
/// was done, and the final output.
pub(super) async fn drop_and_do_again<T>(moment: Moment, mut operation: impl AsyncFnMut() -> T) -> (bool, T) {
    match drop_at(moment, operation()).await {
        Some(output) => (true, output),
        None => (false, operation().await),
    }
}

/// Drops many waits for one object, and checks that it keeps none of them, although nothing wakes them.
pub(super) async fn drop_many<F: IntoFuture>(wait: impl Fn() -> F) {
    let mut bytes = [0; 2];
    for kept in &mut bytes {
        for _ in 0..50 {
            assert!(drop_at(Moment::Waiting(1), wait()).await.is_none());
        }
        *kept = live_bytes();
    }
    assert!(bytes[1] <= bytes[0], "100 dropped waits keep more memory than 50: {bytes:?}");
}
