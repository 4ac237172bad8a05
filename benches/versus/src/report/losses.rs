//! Where waterwheel is behind: computed from the figures, so that no figure is forgotten.

use super::ratio::Ratio;
use super::{Report, Series, is_ours};
use crate::servers::{BASELINE, FLOOR};

/// A figure of waterwheel that is worse than that of a peer with which it is compared.
pub(super) struct Loss<'a> {
    pub(super) series: &'a Series,
    pub(super) to_baseline: Option<Ratio>,
    pub(super) to_floor: Option<Ratio>,
}

impl Loss<'_> {
    fn ratios(&self) -> impl Iterator<Item = &Ratio> {
        self.to_baseline.iter().chain(&self.to_floor)
    }

    pub(super) fn is_behind_baseline(&self) -> bool {
        self.to_baseline.is_some_and(|ratio| ratio.is_loss(&self.series.metric))
    }
}

impl Report {
    /// Every figure in which waterwheel is behind tokio, or behind epoll, by more than the tolerance and its own
    /// scatter.
    pub(super) fn losses(&self) -> Vec<Loss<'_>> {
        let lost = |loss: &Loss<'_>| loss.ratios().any(|ratio| ratio.is_loss(&loss.series.metric));
        self.comparisons().filter(lost).collect()
    }

    /// How many other figures are behind in the median, but not in three of four rounds.
    pub(super) fn ties(&self) -> usize {
        let is_tie = |loss: &Loss<'_>| {
            let metric = &loss.series.metric;
            loss.ratios().any(|ratio| ratio.is_tie(metric)) && !loss.ratios().any(|ratio| ratio.is_loss(metric))
        };
        self.comparisons().filter(is_tie).count()
    }

    fn comparisons(&self) -> impl Iterator<Item = Loss<'_>> {
        let ours = self.series.iter().filter(|series| is_ours(&series.who));
        ours.map(|series| Loss {
            series,
            to_baseline: self.ratio(series, BASELINE),
            to_floor: self.ratio(series, FLOOR),
        })
    }
}

/// The reasons, as far as they are understood. They are written manually, since figures do not explain themselves.
pub(super) const REASONS: &str = "\
- **Behind epoll in instructions, everywhere.** A server on bare epoll has no tasks, no transports and no flow control; a \
few hundred instructions of a message are what these layers cost. The kernel takes most of a small message's time, so \
that CPU time shows it much less.
- **Streams take more instructions than a callback protocol.** A turn, a transport, a protocol and a task are passed on \
the way to the reader. What helped, each counted: waiting in one poll function instead of three nested futures; the \
gathered bytes behind one pointer; the batch under one `catch_unwind` instead of one for each handle; a waker that stands \
on the stack of the turns and is lent to one poll after the other; knowing the polled task by the address of its waker; \
counting what is unread once; being told that a transport closes instead of asking for each message. What is left is \
spread thin.
- **The newcomer's methods allocate.** `read(n)`, `readline` and `readexactly` hand out a vector each, as asyncio hands \
out a `bytes` each; for a mebibyte that is fresh memory from the kernel each time. `fill_buf`, `read_into` and \
`readline_into` allocate nothing.
- **A thousand busy streams.** What is received for a stream stays in a buffer of its own until its task runs, a turn later, \
so that many of them that are ready at once go through much memory. A look at the selector brings 64 events for that \
reason: 1024 cost a quarter more. A callback protocol, and epoll, use one buffer for all. A message touches eleven cache \
lines of the server's memory that were not touched since the connection's last one, a protocol's five, tokio's six, \
epoll's one (cachegrind); that is small beside what the kernel touches, which has 95 % of the server's time here, and 98 % \
of epoll's (perf).
- **Messages per second tie with tokio's where the load is on epoll too.** Bare epoll and mio tie with it as well: of a small \
message the kernel takes nine tenths and more, so that no library on epoll that makes the same system calls can be ahead by \
much. Where a library makes fewer, as with lines that come together, it is ahead by a factor.
- **A wake round trip gains a sixth over tokio's**, less than tasks and timers do. Each wake clones and drops the `Arc` of a \
waker, the two atomic operations that std's `Wake` asks for; a lighter waker needs `unsafe`, which this crate forbids.
- **Idle connections over a stream** keep a task and a reader; epoll keeps a file descriptor and a few words.
- **An echo server is larger than with the least features of tokio**, though smaller than with `full`, and has more crates \
than the former. Name look-up, substring search, logging and options of sockets come from crates of their own; lingering \
closes, reports of what failed, Unix sockets and names are in the program whether it uses them or not. Its own code is spread \
thin: nothing in it is more than a fifteenth. Building it takes about as long as with the least features of tokio, and two \
thirds as long as with `full`: most of that is this crate's own code, so that fewer dependencies would not change it.
- **What did not help**: another form of the thread-local; borrowing the reactor's table once for a whole batch, which \
the law of borrows forbids.
";
