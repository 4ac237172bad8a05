//! The tunable numbers of the crate, each with its reason. Sizes that belong to one data structure are defined there.

use std::time::Duration;

/// How many handles may run between two polls of the selector while there is ready work.
///
/// A poll with a zero timeout is a system call. Skipping it while there is work keeps a request and its reply on an
/// idle loop at three system calls. Frequent polls keep sockets and timers served while tasks are busy. The number is
/// twice the events of one poll, so that everything is received and answered before the next poll. With 61, which is
/// tokio's number, waking one task from another cost a quarter more, because of the polls.
pub(crate) const HANDLES_PER_POLL: usize = 2 * EVENTS_PER_POLL;

/// About how long handles may run between two polls of the selector while there is ready work. The limit matters for
/// slow handles: 128 steps that compute for 5 milliseconds each would take more than half a second.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How many handles run between two readings of the clock, which show whether [`POLL_INTERVAL`] is over. A reading
/// takes 25 to 60 nanoseconds, which is less than a nanosecond per handle.
pub(crate) const HANDLES_PER_CLOCK: usize = 64;

/// How many handles run before the second reading after a wait, since the new work may be slower than the work
/// before.
pub(crate) const HANDLES_PER_CLOCK_AFTER_WAIT: usize = 8;

/// How many operations (such as a read or a drain) a task may complete in one step before it must let the others run.
/// The cheapest operation takes 20 nanoseconds.
pub(crate) const OPERATIONS_PER_STEP: i32 = 512;

/// How many operations a system call in the middle of a step counts as. A send of 64 KiB takes 10 to 20 microseconds.
pub(crate) const OPERATIONS_PER_SYSTEM_CALL: i32 = 256;

/// A task that polls on after this many refused operations in one step is not going to end the step, and is no longer
/// refused.
pub(crate) const MOST_REFUSALS: i32 = 1024;

/// How many letters of other threads a turn takes in. The rest wait for the next turn. This is also how many handles
/// may run between two polls of the selector, so a thread that sends without pause delays sockets no more than the
/// loop's own work does.
pub(crate) const LETTERS_PER_TURN: usize = HANDLES_PER_POLL;

/// An empty queue or list (of letters, of work for threads, of connections) keeps capacity for at most this many
/// entries. The ready queue frees capacity above this when it is mostly empty.
pub(crate) const SPARE_ENTRIES: usize = 1024;

/// How many events one poll of the selector may return. Data is received for all of them before the first is
/// answered. With a thousand busy streams, 1024 events cost a quarter more CPU than 64, because their data does not
/// fit into the CPU's cache, and 16 cost 15 % more, because of the additional polls. The other events come with the
/// next poll, so no stream starves.
pub(crate) const EVENTS_PER_POLL: usize = 64;

/// The most events that a program may request per poll. They take less than a megabyte of memory.
pub(crate) const MOST_EVENTS_PER_POLL: usize = 64 * 1024;

/// The longest time that the selector may block when a timer is armed: one day, as in asyncio.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A deadline that the clock cannot represent is set this far ahead: about thirty years.
pub(crate) const FAR_FUTURE: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// How many bytes may be in flight in each direction of a connection in memory, as in a socket's buffer. One receive
/// takes this many, so one receive empties a full connection.
pub(crate) const MEMORY_ROOM: usize = 64 * 1024;

/// The size of the buffer into which bytes for a plain `Protocol` are received. The loop has one such buffer and
/// lends it to all transports. With 16 KiB, bulk data costs 13 % more CPU; with 256 KiB it costs no less. It is a bit
/// more than 64 KiB, so that a block of 64 KiB still fits after TLS has encrypted it and added its record headers.
pub(crate) const RECEIVE_SIZE: usize = 65 * 1024;

/// The size of a stream's receive buffer, which is taken from the pool when bytes arrive and given back when they are
/// read. It is larger than 16 KiB, the most common size of a block, so that receiving such a block is a short read,
/// which shows that nothing is left.
pub(crate) const SMALL_BUFFER: usize = 18 * 1024;

/// The size of the next buffer when a receive has filled a small one, so that bulk data takes fewer system calls.
pub(crate) const LARGE_BUFFER: usize = 64 * 1024;

/// How many free small buffers are kept. If more connections are ready at once, each further one costs an allocation.
pub(crate) const SMALL_BUFFERS_KEPT: usize = 256;

/// How many free large buffers are kept.
pub(crate) const LARGE_BUFFERS_KEPT: usize = 16;

/// The most bytes that one `poll_write` buffers if its transport cannot hand them to the kernel at once, such as that
/// of TLS. Without a limit, all of a large body would be copied and kept. The limit is several times what one send
/// takes on a loaded machine, so it costs no additional system calls.
pub(crate) const MOST_PER_POLL_WRITE: usize = 256 * 1024;

/// If a stream's buffer has at least this much space left, the next receive goes into it.
pub(crate) const LEAST_ROOM: usize = 4 * 1024;

/// When a reader waits for a large piece of known size, its buffer grows to at most this many times the bytes
/// received so far.
pub(crate) const GROWTH: usize = 16;

/// A write of at least this size, with nothing gathered before it, is sent at once. Copying it would cost more than the
/// system call that gathering may save.
pub(crate) const DIRECT_WRITE: usize = 16 * 1024;

/// [`DIRECT_WRITE`] for a write of several pieces. Such a write is mostly part of a sequence, such as frames of 16
/// KiB, and one send takes all frames that were gathered.
pub(crate) const DIRECT_WRITE_OF_PIECES: usize = 32 * 1024;

/// More gathered bytes than this are sent at once, so that a long step neither takes much memory nor leaves the peer
/// idle.
pub(crate) const GATHER_LIMIT: usize = 64 * 1024;

/// The size of one piece of a transport's backlog. A larger backlog grows by whole pieces, so that growing does not
/// copy it.
pub(crate) const BACKLOG_PIECE: usize = 64 * 1024;

/// The most pieces in one vectored send. The kernel fails with `EMSGSIZE` above 1,024. 64 slices fit on the stack and
/// carry 4 MiB in full pieces, which is more than a socket takes at once.
pub(crate) const PIECES_PER_SEND: usize = 64;

/// A send buffer larger than this is freed after use instead of kept.
pub(crate) const SPARE_SEND_LIMIT: usize = 64 * 1024;

/// The default high-water mark of a transport's write buffer; the low one is a quarter (asyncio's numbers).
pub(crate) const DEFAULT_HIGH_WATER: usize = 64 * 1024;

/// The default limit of a stream reader (asyncio's number).
pub(crate) const DEFAULT_LIMIT: usize = 64 * 1024;

/// The default length of the queue of connections that are not accepted yet. A turn accepts at most one more than
/// this.
pub(crate) const DEFAULT_BACKLOG: u32 = 100;

/// The most datagrams that one endpoint receives, or sends from its queue, in one turn. A receive with its callback
/// costs about as much as a handle, so this is a small share of what may run between two polls of the selector.
pub(crate) const DATAGRAMS_PER_TURN: usize = 16;

/// How many bytes a queued datagram counts as in addition to its own, so that a queue of empty datagrams is limited,
/// too (asyncio's number).
pub(crate) const DATAGRAM_OVERHEAD: usize = 8;

/// How long a listener rests after `accept` ran out of descriptors or memory.
pub(crate) const ACCEPT_REST: Duration = Duration::from_secs(1);

/// From this many writes to a lost connection on, each is logged (asyncio's number).
pub(crate) const LOUD_LOST_WRITES: u8 = 5;

/// The most threads that one loop has for blocking work, unless its builder says otherwise.
pub(crate) const MOST_THREADS: usize = 16;

/// How long a thread waits for more work before it ends.
pub(crate) const IDLE_THREAD: Duration = Duration::from_secs(10);

/// How many times a thread that has done its job looks for another before it sleeps, yielding to other threads each
/// time. Under the model checker one look is enough, and each further one would multiply the interleavings.
pub(crate) const LOOKS_FOR_WORK: u32 = if cfg!(waterwheel_loom) { 1 } else { 100 };

/// In debug mode, a step that takes this long or a timer that is this late is reported (asyncio's number).
pub(crate) const SLOW_CALLBACK: Duration = Duration::from_millis(100);

/// In debug mode, a finished task is reported when it has been woken this often since it finished. A waker that was
/// left behind is mostly used only once.
pub(crate) const MOST_LATE_WAKES: u32 = 100;

/// In debug mode, a writer is reported when it has been over its high-water mark for this many turns and no task
/// drained it. That leaves time to drain in the step that writes or a few turns later.
pub(crate) const TURNS_UNDRAINED: u32 = 100;

/// How long a loop may take to answer a SIGQUIT before it counts as stuck.
#[cfg(feature = "signals")]
pub(crate) const QUIT_PATIENCE: Duration = Duration::from_secs(1);

/// How long one connection attempt may take before the next address is tried at the same time (RFC 8305).
pub(crate) const HAPPY_EYEBALLS_DELAY: Duration = Duration::from_millis(250);

/// The longest pause between two attempts to connect to a Unix server whose queue is full, or to send to a Unix
/// datagram socket whose queue is full. The kernel gives no event when there is room.
pub(crate) const UNIX_RETRY: Duration = Duration::from_millis(50);

/// How many times, once per millisecond, a server tries to get the lock under which it binds to a Unix path. Another
/// server holds the lock for well under a millisecond. The number is limited so that a process that was stopped while
/// it held the lock, or that took it in bad faith, does not block others forever.
pub(crate) const DIRECTORY_LOCK_ATTEMPTS: u32 = 5_000;

/// How long a closed connection waits for its peer to end its side, or to send something, before its socket is
/// closed. A closed socket answers received bytes with a reset, which may cost the peer the last bytes that we sent.
pub(crate) const LINGER_TIME: Duration = Duration::from_secs(5);

/// The longest that a closed connection waits, however often the peer sends something. Otherwise a peer that sends a
/// byte now and then would keep the descriptor for years. This is nginx's number.
pub(crate) const LINGER_MOST: Duration = Duration::from_secs(30);

/// How many bytes a peer may send during that time. They are received and discarded.
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
    /// that of the transport below, which is paused first.
    pub(crate) const HIGH_WATER: usize = 512 * 1024;

    /// How many bytes are encrypted at once: four full records, which one system call sends.
    pub(crate) const SEAL_PIECE: usize = 64 * 1024;
}
