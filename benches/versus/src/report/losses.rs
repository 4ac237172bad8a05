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
- **Behind epoll in instructions, everywhere.** A server on bare epoll has no tasks, no transports and no flow \
control; these layers cost a few hundred instructions per message. The kernel takes most of a small message's time, \
so CPU time shows the difference much less.
- **Streams take more instructions than a callback protocol.** On the way to the reader, bytes pass through a turn, a \
transport, a protocol and a task. These changes helped, each by the counts: waiting in one poll function instead of \
three nested futures; keeping the gathered bytes behind one pointer; running the batch under one `catch_unwind` \
instead of one for each handle; a waker on the stack of the turns that is lent from poll to poll; recognising the \
polled task by the address of its waker; counting unread bytes in one place; being told that a transport closes \
instead of asking for each message. The remaining cost is spread thin.
- **The newcomer's methods allocate.** `read(n)`, `readline` and `readexactly` each return a new vector, as asyncio \
returns a new `bytes`; for a mebibyte that is fresh memory from the kernel each time. `fill_buf`, `read_into` and \
`readline_into` allocate nothing.
- **A thousand busy streams.** Bytes that a stream receives stay in its own buffer until its task runs, a turn later, \
so many streams that are ready at once touch much memory. This is why one poll of the selector returns at most 64 \
events: with 1024, the cost was a quarter higher. A callback protocol, and epoll, use one buffer for all connections. \
A message touches eleven cache lines of the server's memory that were not touched since the connection's last \
message; with a protocol five, with tokio six, with epoll one (cachegrind). That is little compared with the memory \
that the kernel touches: the kernel takes 95 % of the server's time here, and 98 % of epoll's (perf).
- **Messages per second tie with tokio's if the load is on epoll too.** Bare epoll and mio tie with it as well: the \
kernel takes nine tenths or more of a small message, so no library on epoll that makes the same system calls can be \
far ahead. A library that makes fewer, as with lines that arrive together, is ahead by a factor.
- **A wake round trip takes about as long as tokio's**, while spawning, yielding and timers take a fifth to two thirds \
of the time. Each wake clones and drops the `Arc` of a waker, the two atomic operations that std's `Wake` requires; a \
lighter waker needs `unsafe`, which this crate forbids.
- **Idle connections over a stream** keep a task and a reader; epoll keeps a file descriptor and a few words.
- **An echo server is larger than with tokio, and takes longer to build than with tokio's minimal features**: about as \
long as with `full`. Name look-up, substring search, logging and socket options each come from a crate; lingering \
closes, error reports, dumps of what tasks wait for, traces, and Unix sockets and names are in the program whether it \
uses them or not. Most of the time is for this crate's own code, so fewer dependencies would not change it.
- **Answers of 10 MiB by hyper** go out in several parts, as the kernel's buffer gets room. Under callgrind and strace \
the server is many times slower than its client, and there waterwheel needs more instructions and system calls: after a \
short write tokio tries again at once, which then finds room and spares a poll. At full speed that attempt mostly \
finds no room: `perf stat` counts 5 to 6 writes and 3.5 to 4.2 polls of the selector for an answer with tokio, and 3.4 \
of each with waterwheel. What the kernel refuses is not copied; the writer waits for room.
- **One of sixteen requests to hyper that come together** takes 1 % more instructions than with tokio: head and body \
are copied into what the step gathers, where tokio hands each answer to the kernel by a system call of its own, which \
takes more than three times the CPU time.
- **What did not help**: another form of the thread-local; borrowing the reactor's table once for a whole batch, \
which the law of borrows forbids.
";
