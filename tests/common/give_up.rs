//! Futures that are dropped while they wait.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Polls a future at most `polls` times, once per turn, then drops it and returns `None`.
pub(crate) fn give_up_after<F: Future>(polls: usize, future: F) -> GiveUp<F> {
    GiveUp { future: Some(Box::pin(future)), polls }
}

pub(crate) struct GiveUp<F> {
    future: Option<Pin<Box<F>>>,
    polls: usize,
}

impl<F: Future> Future for GiveUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            self.future = None;
            return Poll::Ready(None);
        }
        self.polls -= 1;
        let future = self.future.as_mut().expect("it is polled until it is done");
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 => {
                self.future = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
