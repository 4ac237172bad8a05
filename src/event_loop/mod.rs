//! The event loop: its owner, its handle, and its parts.
//!
//! [`EventLoop`] is the owner: it runs the loop, and closes it when dropped. [`LoopHandle`] is a cheap clone that
//! everything else uses. Both refer to one [`Core`], which puts the mechanisms together: executor, timers, reactor and
//! clock. It also keeps what connections share (buffers, the close timeout, the network) but does not use it. Tasks,
//! connections and servers add their methods to the handle from their own files.

mod builder;
mod clock;
mod close;
mod debug;
mod descriptor;
mod fd_callbacks;
mod guest;
mod incident;
mod last_step;
mod metrics;
mod pace;
mod running;
mod schedule;
mod spin;
mod step;
mod timeline;
mod turn;
mod unawaited;
mod undrained;
mod watched;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::errors::loop_is_closed;
use crate::executor::{Entry, Executor, Waiter};
use crate::handle::Runnable;
use crate::reactor::{Reactor, Source};
use crate::threads::Threads;
use crate::timers::Timers;

use crate::transports::Buffers;
pub use builder::Builder;
pub use clock::{Clock, SystemClock};
use descriptor::Descriptors;
pub use guest::Turned;
pub use incident::Incident;
use last_step::LastStep;
pub(crate) use last_step::Stuck;
use metrics::Counters;
pub use metrics::Metrics;
pub(crate) use metrics::{count_received, count_sent};
use pace::Pace;
#[cfg(feature = "hyper")]
pub(crate) use running::with_running_loop;
pub use running::{get_running_loop, try_get_running_loop};
pub(crate) use schedule::Planned;
pub use schedule::{RemoteHandle, TimerHandle};
use step::StepEnd;
pub(crate) use step::Unsent;
use timeline::Timeline;
pub(crate) use turn::no_main;
pub(crate) use unawaited::Unawaited;
use watched::Watch;

/// An event loop, as its owner sees it. It stays on its thread. Dropping it closes it: every task, connection, timer
/// and callback is dropped before `drop` returns, without further calls to protocols. You may keep it in a
/// `thread_local!`, where it is dropped when the thread or the process ends.
///
/// ```
/// let mut event_loop = waterwheel::EventLoop::new()?;
/// let answer = event_loop.run(async { 42 });
/// assert_eq!(answer, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// It is not `Send`. Of its handles, only [`RemoteHandle`] is:
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(waterwheel::EventLoop::new().unwrap());
/// ```
#[doc(alias = "AbstractEventLoop")]
#[doc(alias = "Runner")]
pub struct EventLoop {
    core: Rc<Core>,
    /// The vector of the last [`turn`](EventLoop::turn)'s batch, kept for its memory. It is empty between two turns.
    batch: Vec<Entry>,
    /// A duplicate of the selector's descriptor, made by the first call of `as_fd`. The selector's own descriptor
    /// cannot be lent, since the selector is in a `RefCell`.
    fd: OnceCell<OwnedFd>,
}

/// A handle to an event loop, to schedule callbacks and start tasks, connections and servers. Cloning it is cheap.
///
/// It can still be used after the loop was dropped: callbacks are then dropped, tasks are cancelled, and I/O is an
/// error.
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(waterwheel::EventLoop::new().unwrap().handle());
/// ```
#[derive(Clone)]
pub struct LoopHandle {
    core: Rc<Core>,
}

/// The parts of a loop.
pub(crate) struct Core {
    pub(crate) executor: Rc<Executor>,
    /// The handle for other threads.
    remote: RemoteHandle,
    pub(crate) reactor: Reactor,
    timers: RefCell<Timers<Due>>,
    clock: Rc<dyn Clock>,
    /// The time that was last read from the clock, counted from the making of the loop. A timer that is due by then fires
    /// without another reading.
    timeline: Timeline,
    /// The transports that have bytes to send at the end of the current step.
    step: StepEnd,
    phase: Cell<Phase>,
    stopping: Cell<bool>,
    /// When a loop that has work polls the selector.
    pace: Pace,
    pub(crate) counters: Counters,
    /// The watchers of the turns: debug mode and the trace.
    watch: Watch,
    /// The step that is running, for other threads to read.
    last_step: Arc<LastStep>,
    /// How long to poll without blocking before the selector may block.
    spin: Duration,
    /// How long a connection that closes in the background may make no progress before it is aborted.
    pub(crate) close_timeout: Duration,
    exception_handler: RefCell<Option<incident::ExceptionHandler>>,
    /// Threads for work that blocks.
    pub(crate) threads: Threads,
    /// The descriptors that users watch.
    descriptors: Descriptors,
    /// Memory that connections share.
    pub(crate) buffers: Buffers,
    /// The network that connections come from. Only `net` knows its type, and sets it when the network is chosen or
    /// first used.
    pub(crate) network: OnceCell<Box<dyn Any>>,
    /// The signals that the loop listens to. Only `signals` knows the type, and sets this when it is first used.
    #[cfg(feature = "signals")]
    pub(crate) signals: OnceCell<Box<dyn Any>>,
    /// While it is set, SIGQUIT prints a dump. Only `debug` knows its type.
    #[cfg(feature = "signals")]
    pub(crate) at_quit: Cell<Option<Box<dyn Any>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The loop is not running. Scheduled work waits for the next run.
    Idle,
    /// `run` or `run_forever` is on the stack.
    Running,
    /// The owner has dropped the loop or is dropping it now. Everything new is refused.
    Closed,
}

/// What a timer does when it is due.
enum Due {
    Call(Rc<dyn Runnable>),
    Wake(Waiter),
}

impl From<Due> for Entry {
    #[inline]
    fn from(due: Due) -> Entry {
        match due {
            Due::Call(callback) => Entry::Callback(callback),
            Due::Wake(waiter) => Entry::Wake(waiter),
        }
    }
}

impl EventLoop {
    /// A loop on the operating system's selector and clock.
    ///
    /// # Errors
    ///
    /// Fails if the system has no descriptors left for the selector.
    #[doc(alias = "new_event_loop")]
    pub fn new() -> io::Result<EventLoop> {
        Builder::new().build()
    }

    /// A builder, to choose the clock, the selector and more.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A handle to this loop.
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::of(Rc::clone(&self.core))
    }

    /// Makes this the running loop of the thread until the guard is dropped.
    #[track_caller]
    pub(crate) fn enter(&self) -> running::Running {
        running::enter(&self.core)
    }

    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        self.core.close();
    }
}

impl AsFd for EventLoop {
    /// The selector's descriptor. It is readable when a socket is ready or another thread has sent something, so
    /// another event loop can watch it and then take a [`turn`](EventLoop::turn) of this one. Callbacks and tasks that
    /// this thread schedules between two turns do not make it readable, nor do timers that are due: for those, call
    /// [`is_ready`](EventLoop::is_ready) and [`next_deadline`](EventLoop::next_deadline). Watch it level-triggered, as
    /// `poll(2)` does: a turn takes a limited number of events, and leaves it readable if there are more.
    ///
    /// # Panics
    ///
    /// Panics if the loop was built on a selector without a descriptor, or if the system has none left for the
    /// duplicate.
    #[track_caller]
    fn as_fd(&self) -> BorrowedFd<'_> {
        if self.fd.get().is_none() {
            let duplicate = self.core.reactor.try_clone_fd();
            // It is still empty, so this cannot fail.
            let _ = self.fd.set(duplicate.expect("the loop's selector has no file descriptor"));
        }
        self.fd.get().expect("it was just set").as_fd()
    }
}

impl LoopHandle {
    fn of(core: Rc<Core>) -> Self {
        LoopHandle { core }
    }

    #[inline]
    pub(crate) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// Watches a descriptor for `source`.
    pub(crate) fn watch(&self, fd: RawFd, source: Rc<dyn Source>) -> io::Result<()> {
        if self.is_closed() {
            return Err(loop_is_closed());
        }
        self.core.reactor.watch(fd, source)?;
        self.core.descriptors.superseded(fd);
        Ok(())
    }

    /// Like [`watch`](LoopHandle::watch), for a descriptor that no selector can watch. The reactor keeps the source,
    /// assumes that it is ready, and does not register the descriptor.
    pub(crate) fn keep_ready(&self, fd: RawFd, source: Rc<dyn Source>) -> io::Result<()> {
        if self.is_closed() {
            return Err(loop_is_closed());
        }
        self.core.reactor.keep_ready(fd, source);
        self.core.descriptors.superseded(fd);
        Ok(())
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.describe(f, "EventLoop")
    }
}

impl fmt::Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.describe(f, "LoopHandle")
    }
}

impl Core {
    fn describe(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        f.debug_struct(name)
            .field("phase", &self.phase.get())
            .field("ready", &self.executor.ready.len())
            .field("timers", &self.timers.borrow().len())
            .field("tasks", &self.executor.live_tasks().len())
            .finish_non_exhaustive()
    }
}
