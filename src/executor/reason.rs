//! Why a task waits, in a form that a wait can store in a few instructions. This is pure.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::panic::Location;

/// What a task waits for, and the line that asked for it. It has 16 bytes, to be small, since each task has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reason {
    what: What,
    /// `None` if no line is known: for a task that is awaited, and for a call of a poll method.
    at: Option<&'static Location<'static>>,
}

impl Reason {
    #[inline]
    pub(crate) const fn new(what: Awaited, at: &'static Location<'static>) -> Self {
        Reason { what: What::new(what, 0, 0), at: Some(at) }
    }

    /// The reason of a poll method, which hand-written futures call.
    #[inline]
    pub(crate) const fn polled(what: Awaited) -> Self {
        Reason { what: What::new(what, 0, 0), at: None }
    }

    /// A wait for exactly `n` bytes.
    pub(crate) fn read_exactly(n: usize, at: &'static Location<'static>) -> Self {
        Reason { what: What::new(Awaited::ReadExactly, 0, (n as u64).min(u64::MAX >> 16)), at: Some(at) }
    }

    pub(crate) fn read_until(separator: &[u8], at: &'static Location<'static>) -> Self {
        let shown = separator.iter().take(SHOWN).rev().fold(0, |bytes, byte| bytes << 8 | u64::from(*byte));
        let len = separator.len().try_into().unwrap_or(u8::MAX);
        Reason { what: What::new(Awaited::ReadUntil, len, shown), at: Some(at) }
    }

    pub(crate) fn what(&self) -> What {
        self.what
    }

    pub(crate) fn at(&self) -> Option<&'static Location<'static>> {
        self.at
    }
}

/// What a task waits for: the [`Awaited`] and its details. It is packed into one word, which a wait stores with one
/// instruction; an enum with fields would take four.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct What(NonZeroU64);

/// How many bytes of a separator are shown.
const SHOWN: usize = 6;

/// Declares the calls, each with the words that reports print for it.
macro_rules! awaited {
    ($($name:ident $words:literal,)*) => {
        /// A public function that waits, or what it waits for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Awaited {
            $($name,)*
        }

        const AWAITED: &[(Awaited, &str)] = &[$((Awaited::$name, $words),)*];
    };
}

awaited! {
    Read "read",
    ReadInto "read_into",
    ReadToEnd "read_to_end",
    ReadExactly "readexactly",
    ReadUntil "readuntil",
    FillBuf "fill_buf",
    Readline "readline",
    ReadlineInto "readline_into",
    NextLine "next_line",
    Drain "drain",
    Flush "flush",
    WaitClosed "wait_closed",
    Copy "copy",
    CopyBidirectional "copy_bidirectional",
    Sleep "sleep",
    Timeout "timeout",
    Tick "tick",
    Task "a task",
    AsCompleted "as_completed",
    Gather "gather",
    TaskGroup "the tasks of a task group",
    Promise "a promise",
    ToThread "to_thread",
    GetAddrInfo "getaddrinfo",
    GetNameInfo "getnameinfo",
    OpenConnection "open_connection",
    CreateConnection "create_connection",
    StartServer "start_server",
    CreateServer "create_server",
    CreateDatagramEndpoint "create_datagram_endpoint",
    ServeForever "serve_forever",
    ServeUntil "serve_until",
    Shutdown "shutdown",
    StartTls "start_tls",
    Readable "readable",
    Writable "writable",
    Signal "a signal",
    Incoming "a connection",
    Child "a child process",
    Communicate "communicate",
    Pipe "a pipe to be opened",
    SubprocessExec "subprocess_exec",
    IntoStd "into_std",
}

impl What {
    /// From the low end: the call, its length, and six bytes.
    #[inline]
    const fn new(awaited: Awaited, len: u8, bytes: u64) -> What {
        match NonZeroU64::new((bytes << 16) | ((len as u64) << 8) | (awaited as u64 + 1)) {
            Some(packed) => What(packed),
            None => unreachable!(),
        }
    }

    fn awaited(self) -> (Awaited, &'static str) {
        AWAITED[(self.0.get() as u8) as usize - 1]
    }

    /// Whether this is a wait for a single task.
    pub(crate) fn is_task(self) -> bool {
        self.awaited().0 == Awaited::Task
    }

    /// Whether a timer ends the wait.
    pub(crate) fn is_time(self) -> bool {
        matches!(self.awaited().0, Awaited::Sleep | Awaited::Tick | Awaited::Timeout)
    }

    /// Whether this is a wait until bytes are sent or a connection has ended.
    pub(crate) fn is_output(self) -> bool {
        matches!(self.awaited().0, Awaited::Drain | Awaited::Flush | Awaited::WaitClosed)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (awaited, words) = self.awaited();
        f.write_str(words)?;
        let packed = self.0.get().to_le_bytes();
        match awaited {
            Awaited::ReadExactly => write!(f, " {}", self.0.get() >> 16),
            Awaited::ReadUntil => {
                let len = usize::from(packed[1]);
                let more = if len > SHOWN { "…" } else { "" };
                write!(f, " \"{}{more}\"", packed[2..][..len.min(SHOWN)].escape_ascii())
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why the reader of a stream waits. Other reasons are kept with the task. This one is kept next to the reader's
/// waiter, since each message waits in a read, and looking the task up would cost it 8 instructions more.
pub(crate) struct ReaderReason {
    reason: Cell<Option<Reason>>,
    /// The step that has left the reason. A later step of the task waits for something else, unless it leaves the
    /// reason again.
    step: Cell<u64>,
}

impl ReaderReason {
    #[inline(always)]
    pub(crate) fn set(&self, reason: Reason, step: u64) {
        self.reason.set(Some(reason));
        self.step.set(step);
    }

    /// The reason, if this step has left it.
    pub(crate) fn of_step(&self, step: u64) -> Option<Reason> {
        self.reason.get().filter(|_| self.step.get() == step)
    }
}

impl Default for ReaderReason {
    fn default() -> Self {
        ReaderReason { reason: Cell::new(None), step: Cell::new(0) }
    }
}
