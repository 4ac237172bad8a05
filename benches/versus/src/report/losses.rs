//! Where waterwheel is behind: computed from the figures, so that no cell is forgotten.

use super::{Report, Series, is_ours};
use crate::servers::{BASELINE, FLOOR};

/// A figure of waterwheel that is worse than that of somebody it has to bear comparison with.
pub(super) struct Loss<'a> {
    pub(super) series: &'a Series,
    pub(super) to_baseline: Option<f64>,
    pub(super) to_floor: Option<f64>,
}

impl Loss<'_> {
    pub(super) fn is_behind_baseline(&self) -> bool {
        self.to_baseline.is_some_and(|ratio| self.series.metric.is_behind(ratio))
    }
}

impl Report {
    /// Every figure by which waterwheel is behind tokio, or behind epoll, by more than the tolerance.
    pub(super) fn losses(&self) -> Vec<Loss<'_>> {
        let ours = self.series.iter().filter(|series| is_ours(&series.who));
        ours.map(|series| Loss {
            series,
            to_baseline: self.ratio(series, BASELINE),
            to_floor: self.ratio(series, FLOOR),
        })
        .filter(|loss| {
            [loss.to_baseline, loss.to_floor].iter().flatten().any(|ratio| loss.series.metric.is_behind(*ratio))
        })
        .collect()
    }
}

/// Why, as far as it is understood: written by hand, since figures do not say why.
pub(super) const REASONS: &str = "\
- **Behind epoll in instructions, nearly everywhere.** A server on bare epoll has no tasks, no transports and no \
flow control: a few hundred instructions of a message are what these layers cost. Against about 20,000 instructions \
that the kernel takes for a small message over loopback this is little, so CPU time hardly shows it.
- **Streams take more instructions than a callback protocol.** A message wakes a task, and the task asks its reader; a \
protocol is called with the bytes. What helped, each counted: waiting in one poll function instead of three nested \
futures; the gathered bytes behind one pointer; the batch under one `catch_unwind`; knowing the polled task without a \
second thread-local; one virtual call instead of two to take a source out of the queue. What is left is spread thin.
- **The newcomer's methods allocate.** `read(n)` and `readline` hand out a vector each, as asyncio hands out a `bytes` \
each. `fill_buf`, `read_into` and `readline_into` do not.
- **A wake round trip ties with tokio's.** Half of it is the measured future's own, and the `Arc` of its waker; a faster \
waker needs `unsafe`, which this crate forbids.
- **io_uring saves system calls, not time**, on the kernels measured: an operation costs more than the call it saves as \
soon as messages are not tiny.
";
