//! Every tunable number, each with its reason.

use std::time::Duration;

/// How many handles may run between two looks at the selector while there is ready work.
///
/// A look with a zero timeout is a system call. Skipping it while work is at hand makes a request and its reply on
/// an idle loop cost three system calls; looking often enough keeps sockets and timers served under a busy task. This
/// is twice what one look brings: all that it brought is received, and answered by tasks, before the next. With 61, as
/// tokio has it, a wake from task to task cost a quarter more, by the looks.
pub(crate) const HANDLES_PER_POLL: usize = 2 * EVENTS_PER_POLL;

/// About how long handles may run between two looks at the selector while there is ready work. It counts where they
/// take long: of tasks that compute for 5 milliseconds at a time, 128 would run for more than half a second.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How many handles run between two readings of the clock, which are to show whether that interval is over. A reading
/// takes 25 to 60 nanoseconds, as waking a task or two does; so it is less than a nanosecond for each.
pub(crate) const HANDLES_PER_CLOCK: usize = 64;

/// The same for the second reading after a wait: what came may be of another kind than what was before.
pub(crate) const HANDLES_PER_CLOCK_AFTER_WAIT: usize = 8;

/// How many operations (a read, a drain) a task may complete in one step: then it lets the others run. The cheapest of
/// them takes 20 nanoseconds.
pub(crate) const OPERATIONS_PER_STEP: i32 = 512;

/// How many operations a system call in the middle of a step counts for. A send of 64 KiB takes 10 to 20 microseconds.
pub(crate) const OPERATIONS_PER_SYSTEM_CALL: i32 = 256;

/// Who was refused an operation so often in one step is not going to end it.
pub(crate) const MOST_REFUSALS: i32 = 1024;

/// How many letters of other threads a turn takes in; the others wait for the next. It is what may run between two looks
/// at the selector, so a thread that sends without pause makes nobody wait for longer than the loop's own work does.
pub(crate) const LETTERS_PER_TURN: usize = HANDLES_PER_POLL;

/// A queue or a list with room for more than this (of what is ready, of letters, of work for threads, of connections) is
/// given up once it is empty, the ready queue once it is mostly empty.
pub(crate) const SPARE_ENTRIES: usize = 1024;

/// How many events one look at the selector may bring. All of a look are received before the first is answered, so with
/// a thousand busy streams many of them fill more memory than the cache holds: 1024 cost a quarter more CPU than 64, and
/// 16 cost 15 % more, by the looks. What does not fit comes with the next look, so nobody starves.
pub(crate) const EVENTS_PER_POLL: usize = 64;

/// The most events that one look may be asked for: their memory is under a megabyte.
pub(crate) const MOST_EVENTS_PER_POLL: usize = 64 * 1024;

/// The longest the selector may block when a timer is armed, as in asyncio: far deadlines are looked at once a day.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What "never" means for a deadline that the clock cannot represent: about thirty years.
pub(crate) const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The size of the buffer into which a plain protocol's bytes are received. One is lent by the loop to all
/// transports. 16 KiB costs 13 % more CPU for bulk data, 256 KiB gains nothing more. It is a bit more than 64 KiB, so
/// that such a block, encrypted by TLS and with what is around its records, is handed down in it as one.
pub(crate) const RECEIVE_SIZE: usize = 65 * 1024;

/// The size of a stream's receive buffer, taken from the pool when bytes arrive and given back when they are read.
/// It takes 16 KiB, the most common size of a block, as a short read, which says that nothing more is there.
pub(crate) const SMALL_BUFFER: usize = 18 * 1024;

/// The size of the next buffer when a receive has filled a small one: bulk data wants few system calls.
pub(crate) const LARGE_BUFFER: usize = 64 * 1024;

/// How many free small buffers are kept. More connections than this ready at once cost an allocation each.
pub(crate) const SMALL_BUFFERS_KEPT: usize = 256;

/// How many free large buffers are kept.
pub(crate) const LARGE_BUFFERS_KEPT: usize = 16;

/// The least room left in a stream's buffer for which the next receive goes into the same buffer as it is.
pub(crate) const LEAST_ROOM: usize = 4 * 1024;

/// How many times as much as has come of a large piece is made room for, when it is known how large it will be.
pub(crate) const GROWTH: usize = 16;

/// From this size on, a write with nothing gathered before it goes straight to the socket: copying it to send it a
/// moment later would cost more than the system call that gathering may save.
pub(crate) const DIRECT_WRITE: usize = 16 * 1024;

/// Gathered bytes over this are sent at once, so that one step cannot hold much memory nor leave the peer idle.
pub(crate) const GATHER_LIMIT: usize = 64 * 1024;

/// The size of one piece of a transport's backlog, so that a growing backlog is never moved in memory.
pub(crate) const BACKLOG_PIECE: usize = 64 * 1024;

/// The most pieces given to one vectored send. The kernel takes 1,024 and fails with `EMSGSIZE` over that; 64 fit
/// on the stack and carry 4 MiB of full pieces, more than a socket takes at once.
pub(crate) const PIECES_PER_SEND: usize = 64;

/// A spare send buffer larger than this is freed instead of kept.
pub(crate) const SPARE_SEND_LIMIT: usize = 64 * 1024;

/// The default high-water mark of a transport's write buffer; the low one is a quarter (asyncio's numbers).
pub(crate) const DEFAULT_HIGH_WATER: usize = 64 * 1024;

/// The default limit of a stream reader (asyncio's number).
pub(crate) const DEFAULT_LIMIT: usize = 64 * 1024;

/// The default length of the queue of connections not yet accepted, and the most accepts in one turn.
pub(crate) const DEFAULT_BACKLOG: u32 = 100;

/// The most datagrams that one endpoint receives, or sends from its queue, in one turn. A receive and a callback cost
/// about as much as any handle, so this is a small share of what may run between two looks at the selector.
pub(crate) const DATAGRAMS_PER_TURN: usize = 16;

/// What a queued datagram counts for beside its bytes, so that a queue of empty ones is bounded too (asyncio's number).
pub(crate) const DATAGRAM_OVERHEAD: usize = 8;

/// How long a listener rests after `accept` ran out of descriptors or memory.
pub(crate) const ACCEPT_REST: Duration = Duration::from_secs(1);

/// From this many writes to a lost connection on, each is logged (asyncio's number).
pub(crate) const LOUD_LOST_WRITES: u8 = 5;

/// The most threads that one loop has for blocking work.
pub(crate) const MOST_THREADS: usize = 16;

/// How long a thread waits for more work before it ends.
pub(crate) const IDLE_THREAD: Duration = Duration::from_secs(10);

/// How long one connection attempt may take before the next address is tried beside it (RFC 8305).
pub(crate) const HAPPY_EYEBALLS_DELAY: Duration = Duration::from_millis(250);

/// The longest pause between two attempts to connect to a Unix server whose queue is full, or to send to a Unix socket
/// whose queue is: the kernel tells nobody when there is room.
pub(crate) const UNIX_RETRY: Duration = Duration::from_millis(50);

/// How often, once a millisecond, a server asks for the lock under which it binds to a Unix path. Whoever has it needs
/// well under a millisecond. One who was stopped in the middle of it, or took it out of malice, must not hold up others
/// for ever.
pub(crate) const DIRECTORY_LOCK_ATTEMPTS: u32 = 5_000;

/// How long a connection that we closed waits for its peer to end its side, or to send something, before its socket is
/// closed all the same. What a closed socket receives it answers with a reset, by which the peer may lose the last bytes
/// that we sent.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(5);

/// How much a peer may send meanwhile; it is received and thrown away.
pub(crate) const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// How long a connection whose writer was dropped may go without sending a byte before it is aborted.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// The numbers of TLS.
#[cfg(feature = "tls")]
pub(crate) mod tls {
    use std::time::Duration;

    /// How long a handshake may take (asyncio's number).
    pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

    /// How long closing may wait for the peer without any progress (asyncio's number).
    pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

    /// The default high-water mark of a TLS transport; the low one is a quarter (asyncio's numbers). It is higher than
    /// that of the transport below, which is full before this one is.
    pub(crate) const HIGH_WATER: usize = 512 * 1024;

    /// How much is encrypted at once: four full records, for one system call.
    pub(crate) const SEAL_PIECE: usize = 64 * 1024;
}
