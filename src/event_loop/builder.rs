//! Building a loop from parts and settings other than the default ones.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::debug::{self, Debug};
use super::last_step::LastStep;
use super::{Clock, Core, EventLoop, Phase, RemoteHandle, SystemClock, Timeline};
use super::{Counters, Descriptors, Pace, StepEnd, Watch};
use crate::constants::{
    CLOSE_TIMEOUT, EVENTS_PER_POLL, HANDLES_PER_POLL, MOST_EVENTS_PER_POLL, MOST_THREADS, SLOW_CALLBACK,
};
use crate::executor::Executor;
use crate::reactor::{MioSelector, Reactor, Selector};
use crate::threads::Threads;
use crate::timers::Timers;
use crate::trace::{self, Destination, RECORDS_KEPT, Tracer};
use crate::transports::Buffers;

/// Chooses the parts and settings of a loop; see [`EventLoop::builder`].
///
/// ```
/// use std::rc::Rc;
/// use std::time::Duration;
/// use waterwheel::testing::ManualClock;
///
/// let clock = Rc::new(ManualClock::new());
/// let mut event_loop = waterwheel::EventLoop::builder().clock(clock).build()?;
/// // A day passes without waiting.
/// event_loop.run(waterwheel::sleep(Duration::from_secs(24 * 60 * 60)));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A loop that takes turns as asyncio's does, and aborts a connection whose peer takes none of its last bytes for a
/// second:
///
/// ```
/// use std::time::Duration;
/// use waterwheel::EventLoop;
///
/// let mut event_loop = EventLoop::builder()
///     .handles_per_poll(1)
///     .event_capacity(256)
///     .close_timeout(Duration::from_secs(1))
///     .thread_limit(2)
///     .build()?;
/// assert_eq!(event_loop.run(async { 6 * 7 }), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    selector: Option<Box<dyn Selector>>,
    clock: Rc<dyn Clock>,
    event_capacity: usize,
    handles_per_poll: usize,
    spin: Duration,
    close_timeout: Duration,
    thread_limit: usize,
    /// `None` leaves the choice to the environment variable.
    debug: Option<bool>,
    slow_callback_duration: Duration,
    trace: Option<Destination>,
    trace_records: usize,
    /// See [`Core::network`].
    pub(crate) network: Option<Box<dyn Any>>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Builder {
            selector: None,
            clock: Rc::new(SystemClock),
            event_capacity: EVENTS_PER_POLL,
            handles_per_poll: HANDLES_PER_POLL,
            spin: Duration::ZERO,
            close_timeout: CLOSE_TIMEOUT,
            thread_limit: MOST_THREADS,
            debug: None,
            slow_callback_duration: SLOW_CALLBACK,
            trace: None,
            trace_records: RECORDS_KEPT,
            network: None,
        }
    }

    /// The clock of the loop's timers. The default is the system's monotonic clock.
    pub fn clock(mut self, clock: Rc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The selector, which waits for sockets and pipes. The default is the operating system's selector, through mio.
    pub fn selector(mut self, selector: Box<dyn Selector>) -> Self {
        self.selector = Some(selector);
        self
    }

    /// The most events that one poll of the operating system's selector may bring: from 1 to 65,536 (default 64). A
    /// number outside this range is clamped to it. The setting has no effect on a selector of your own.
    ///
    /// Events that do not fit come with the next poll, and each poll is a system call. With a thousand busy
    /// connections, 16 events cost 15 % more CPU than 64, because of the system calls. 1024 events cost 25 % more,
    /// because all of them are received before the first is answered, which is more than fits the CPU's cache.
    pub fn event_capacity(mut self, events: usize) -> Self {
        self.event_capacity = events.clamp(1, MOST_EVENTS_PER_POLL);
        self
    }

    /// How many handles (callbacks and steps of tasks) may run between two polls of the selector while there is ready
    /// work (default 128). With 1 or 0 every turn polls, as in asyncio; a request and its reply on an idle loop then
    /// cost four system calls instead of three.
    ///
    /// Whatever this says, the loop polls in the turn after a [`yield_now`](crate::yield_now) or a
    /// [`sleep`](crate::sleep()) for zero, and once about 2 milliseconds have passed since the last poll. To know the
    /// time, the loop reads the clock once in 64 handles, and the timers that are due by then run too. If a reading
    /// shows that the last handles took more than a quarter of a millisecond, the loop reads the clock after every turn
    /// until handles are quick again. A turn always runs to its end.
    pub fn handles_per_poll(mut self, handles: usize) -> Self {
        self.handles_per_poll = handles;
        self
    }

    /// How long an idle loop keeps polling for events before it lets its thread sleep. The default is zero: it sleeps
    /// at once.
    ///
    /// An event that comes while the loop spins does not have to wake the thread: with one connection over loopback, 50
    /// microseconds of spinning brought 2.4 to 3 times as many round trips of 64 bytes per second. With many busy
    /// connections there is nothing to gain, since the loop hardly ever sleeps. The price is a core that is busy for
    /// this long before every sleep. Spinning ends when an event comes or a timer is due. With [`Duration::MAX`] the
    /// loop never sleeps. A loop with a clock that jumps, such as [`ManualClock`](crate::testing::ManualClock), does
    /// not spin.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut event_loop = waterwheel::EventLoop::builder().spin(Duration::from_micros(50)).build()?;
    /// event_loop.run(waterwheel::sleep(Duration::from_millis(1)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spin(mut self, most: Duration) -> Self {
        self.spin = most;
        self
    }

    /// After a writer was dropped with bytes still to be sent: how long the peer may take none of them before the
    /// connection is aborted (default 30 seconds). The reader, if it still exists, then fails with
    /// [`TimedOut`](std::io::ErrorKind::TimedOut).
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// How many threads the loop may have for work that blocks: looking up names, and [`to_thread`](crate::to_thread)
    /// (default 16, at least 1). Further work waits for a free one.
    pub fn thread_limit(mut self, threads: usize) -> Self {
        self.thread_limit = threads.max(1);
        self
    }

    /// Whether the loop begins in [debug mode](crate::LoopHandle::set_debug). The default is set by the environment
    /// variable `WATERWHEEL_DEBUG`: off if it is unset, empty or `0`, and on otherwise.
    ///
    /// ```
    /// let event_loop = waterwheel::EventLoop::builder().debug(true).build()?;
    /// assert!(event_loop.handle().get_debug());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "PYTHONASYNCIODEBUG")]
    pub fn debug(mut self, on: bool) -> Self {
        self.debug = Some(on);
        self
    }

    /// How long a step or a callback may take, and how late a timer may be, before [debug
    /// mode](crate::LoopHandle::set_debug) reports it (default 100 milliseconds).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let strict = Duration::from_millis(10);
    /// let event_loop = waterwheel::EventLoop::builder().debug(true).slow_callback_duration(strict).build()?;
    /// assert_eq!(event_loop.handle().slow_callback_duration(), strict);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn slow_callback_duration(mut self, most: Duration) -> Self {
        self.slow_callback_duration = most;
        self
    }

    /// Writes a trace of every turn to a file: how long the turn waited, what it collected, and each callback, protocol
    /// call and step of a task by name, with what queued it. <https://ui.perfetto.dev> shows such a file, and the
    /// example `waterwheel_trace` turns it into a page. The environment variable `WATERWHEEL_TRACE` does the same for a
    /// program that does not call this; a second loop of the process then adds `-2` to the name of the file.
    ///
    /// The file is a JSON array in Chrome's trace event format. Times are those of the loop's [clock](Builder::clock).
    ///
    /// The last 65,536 [records](Builder::trace_records) are kept in memory, and written when the loop is dropped, when
    /// a callback or a task panics, when [`LoopHandle::save_trace`](crate::LoopHandle::save_trace) is called, and at
    /// most once per second before the loop waits. So a program that is killed leaves a trace, though the last second
    /// may be missing. If a panic aborts the process, the trace lacks that panic, too.
    ///
    /// A traced loop takes about ten times as many instructions for each message. Other loops pay nothing.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("waterwheel-trace-{}.json", std::process::id()));
    /// # let file = path.clone();
    /// let mut event_loop = waterwheel::EventLoop::builder().trace(path).trace_records(10_000).build()?;
    /// event_loop.run(waterwheel::yield_now());
    /// drop(event_loop); // writes the file
    /// # assert!(std::fs::read_to_string(&file)?.contains(r#""name":"turn""#));
    /// # std::fs::remove_file(file)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn trace(mut self, path: impl Into<PathBuf>) -> Self {
        self.trace = Some(Destination { path: path.into(), number: 1 });
        self
    }

    /// How many records of a [trace](Builder::trace) are kept (default 65,536, at least 1). When there are more, the
    /// oldest are dropped. A record is the beginning or the end of a slice, a flow or a counter, and takes about 50
    /// bytes of memory and 110 bytes in the file. A message through a stream makes about twelve records.
    pub fn trace_records(mut self, records: usize) -> Self {
        self.trace_records = records.max(1);
        self
    }

    /// Builds the loop.
    ///
    /// # Errors
    ///
    /// Fails if the system has no descriptor left for the selector, if a selector of your own fails to return a bell,
    /// or if the file of a [trace](Builder::trace) cannot be written.
    pub fn build(self) -> io::Result<EventLoop> {
        let selector = match self.selector {
            Some(selector) => selector,
            None => Box::new(MioSelector::new(self.event_capacity)?),
        };
        let reactor = Reactor::new(selector);
        let bell = reactor.bell()?;
        let now = self.clock.now();
        let timeline = Timeline::new(now);
        let trace = self.trace.or_else(trace::from_environment);
        let tracer = trace.map(|to| Tracer::new(&to, self.trace_records, now)).transpose()?;
        let executor = Executor::new(bell);
        executor.set_debug(self.debug.unwrap_or_else(debug::from_environment));
        let last_step = Arc::new(LastStep::new(&executor.polled));
        let core = Core {
            remote: RemoteHandle::new(&executor.mailbox, &last_step),
            executor,
            reactor,
            timers: RefCell::new(Timers::new()),
            clock: self.clock,
            step: StepEnd::default(),
            phase: Cell::new(Phase::Idle),
            stopping: Cell::new(false),
            pace: Pace::new(self.handles_per_poll, timeline.moment()),
            timeline,
            counters: Counters::default(),
            watch: Watch::new(tracer, Debug::new(self.slow_callback_duration)),
            last_step,
            spin: self.spin,
            close_timeout: self.close_timeout,
            network: self.network.map_or_else(OnceCell::new, OnceCell::from),
            #[cfg(feature = "signals")]
            signals: OnceCell::new(),
            #[cfg(feature = "signals")]
            at_quit: Cell::new(None),
            exception_handler: RefCell::new(None),
            threads: Threads::new(self.thread_limit),
            descriptors: Descriptors::default(),
            buffers: Buffers::default(),
        };
        Ok(EventLoop { core: Rc::new(core), batch: Vec::new(), fd: OnceCell::new() })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("event_capacity", &self.event_capacity)
            .field("handles_per_poll", &self.handles_per_poll)
            .field("spin", &self.spin)
            .finish_non_exhaustive()
    }
}
