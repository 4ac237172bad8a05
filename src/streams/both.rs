//! Awaiting two futures at the same time. They may borrow, as the two directions of a stream do.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Awaits two futures at the same time. Returns their outputs when both are done, or the first error as soon as it
/// occurs.
pub(super) async fn both<A, B>(
    first: impl Future<Output = io::Result<A>>,
    second: impl Future<Output = io::Result<B>>,
) -> io::Result<(A, B)> {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut a, mut b) = (None, None);
    poll_fn(|cx| {
        advance(&mut a, first.as_mut(), cx)?;
        advance(&mut b, second.as_mut(), cx)?;
        if a.is_none() || b.is_none() {
            return Poll::Pending;
        }
        Poll::Ready(Ok(a.take().zip(b.take()).expect("both are done")))
    })
    .await
}

/// Polls a future, unless it is done.
fn advance<T>(
    output: &mut Option<T>,
    future: Pin<&mut impl Future<Output = io::Result<T>>>,
    cx: &mut Context<'_>,
) -> io::Result<()> {
    if output.is_none() {
        if let Poll::Ready(ready) = future.poll(cx)? {
            *output = Some(ready);
        }
    }
    Ok(())
}
