//! When a future is dropped.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use waterwheel::spawn;

use super::remains::live_bytes;

/// A moment at which a future may be dropped. It is polled when it is woken, and not otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// After so many polls, as soon as the last of them has said that it waits. With 0 it is never polled.
    Waiting(usize),
    /// After so many polls, when it was woken again: what it waited for is there, and it has not heard of it.
    Woken(usize),
}

/// Awaits a future until that moment, and drops it there. `None` if it was not done.
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

/// As [`drop_at`], while a task does `cause`, which the future waits for. Once the future is dropped that goes no further.
pub(super) async fn drop_while<F: IntoFuture>(
    moment: Moment,
    future: F,
    cause: impl Future<Output = ()> + 'static,
) -> Option<F::Output> {
    let _cause = spawn(cause).cancel_on_drop();
    drop_at(moment, future).await
}

/// Does `operation`, dropped at a moment; if it was not done, does it again, to its end. Says whether it was done at
/// first, and gives what it gave in the end.
pub(super) async fn drop_and_do_again<T>(moment: Moment, mut operation: impl AsyncFnMut() -> T) -> (bool, T) {
    match drop_at(moment, operation()).await {
        Some(output) => (true, output),
        None => (false, operation().await),
    }
}

/// Drops many waits for one thing, which keeps none of them, though nothing comes that would wake them.
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
