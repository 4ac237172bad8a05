//! Random sizes, and futures that are dropped at random, from a seed.

use std::pin::Pin;
use std::task::{Context, Poll};

/// A generator of numbers that are the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// A size that is usually small, often one, and now and then large.
    pub(crate) fn size(&mut self) -> usize {
        let limit = [2, 20, 2_000, 200_000][self.below(4)];
        1 + self.below(limit)
    }
}

/// Polls a future once and drops it, as `select` does with the futures that lose.
pub(crate) async fn at_once<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(|cx: &mut Context<'_>| {
        Poll::Ready(match Pin::new(&mut future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
