//! The event loop: who owns it, who may pass it around, and what it is made of.
//!
//! [`EventLoop`] owns; only the owner runs it, and dropping the owner closes it. [`LoopHandle`] is the cheap clone
//! that everything else holds. Both stand for one [`Core`], which composes the mechanisms below (ready queue and
//! tasks, timers, reactor, clock) and knows nothing of what is built on top of them: tasks, connections and servers
//! add their own methods to the handle from their own files.

mod builder;
mod clock;
mod close;
mod descriptor;
mod fd_callbacks;
mod incident;
mod pace;
mod running;
mod schedule;
mod spin;
mod step;
mod turn;

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

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
pub use incident::Incident;
use pace::Pace;
pub use running::{get_running_loop, try_get_running_loop};
pub use schedule::{RemoteHandle, TimerHandle};
use step::StepEnd;
pub(crate) use step::Unsent;

/// An event loop, as its owner sees it. It stays on its thread, and dropping it closes it: every task, connection,
/// timer and callback is dropped before `drop` returns, without further calls to protocols. It may also stand in a
/// `thread_local!` of yours, and be dropped with its thread or at the end of the process.
///
/// ```
/// let mut event_loop = waterwheel::EventLoop::new()?;
/// let answer = event_loop.run(async { 42 });
/// assert_eq!(answer, 42);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// It is not `Send`, nor is anything else that belongs to it but [`RemoteHandle`]:
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(waterwheel::EventLoop::new().unwrap());
/// ```
#[doc(alias = "AbstractEventLoop")]
#[doc(alias = "Runner")]
pub struct EventLoop {
    core: Rc<Core>,
    /// A duplicate of the selector's descriptor, made when someone asks for it: the selector itself is not at hand
    /// to borrow from.
    fd: OnceCell<OwnedFd>,
}

/// An event loop, as everybody else sees it: a cheap clone to schedule callbacks, tasks, connections and servers.
///
/// After the loop was dropped every method is harmless: callbacks are dropped, tasks are cancelled, I/O is an error.
///
/// ```compile_fail
/// fn send<T: Send>(_: T) {}
/// send(waterwheel::EventLoop::new().unwrap().handle());
/// ```
#[derive(Clone)]
pub struct LoopHandle {
    core: Rc<Core>,
}

/// What a loop is made of.
pub(crate) struct Core {
    pub(crate) executor: Rc<Executor>,
    pub(crate) reactor: Reactor,
    timers: RefCell<Timers<Due>>,
    clock: Rc<dyn Clock>,
    /// The latest time that anyone read from the clock: a timer due by then is due without reading it again.
    latest: Cell<Instant>,
    /// What the current step wrote and nobody sent yet.
    step: StepEnd,
    phase: Cell<Phase>,
    stopping: Cell<bool>,
    /// When the selector is looked at though there is work.
    pace: Pace,
    /// How long to look without blocking before the selector may block.
    spin: Duration,
    /// How long a connection that closes in the background may make no progress.
    pub(crate) close_timeout: Duration,
    exception_handler: RefCell<Option<incident::ExceptionHandler>>,
    /// For what can only block.
    pub(crate) threads: Threads,
    /// The descriptors that users watch.
    descriptors: Descriptors,
    /// Memory that the connections share.
    pub(crate) buffers: Buffers,
    /// Where connections come from, kept for the rooms above, which alone know what it is. It is there once it was
    /// chosen, or first asked for.
    pub(crate) network: OnceCell<Box<dyn Any>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nobody is running it. Whatever is scheduled waits for the next run.
    Idle,
    /// `run` or `run_forever` is on the stack.
    Running,
    /// The owner dropped it, or is just dropping it: everything new is refused.
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
    /// If the system has no descriptors left for the selector.
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

    /// Runs until [`stop`](LoopHandle::stop) is called. May be called again; what is still scheduled then goes on.
    ///
    /// If `stop` was called before, one turn runs, without waiting for anything.
    ///
    /// # Panics
    ///
    /// If a loop runs on this thread already, or if the selector fails.
    #[track_caller]
    pub fn run_forever(&mut self) {
        let _running = running::enter(&self.core);
        self.core.run_turns(&mut |_main, _lent| unreachable!("nobody seated a main future"));
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
    /// The selector's descriptor.
    ///
    /// # Panics
    ///
    /// If the loop was built on a selector that has none, or if the system has no descriptor left to duplicate it.
    #[track_caller]
    fn as_fd(&self) -> BorrowedFd<'_> {
        if self.fd.get().is_none() {
            let duplicate = self.core.reactor.with_selector(|selector| selector.try_clone_fd());
            // Nobody has set it meanwhile.
            let _ = self.fd.set(duplicate.expect("the loop's selector has no descriptor to give"));
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

    /// Has the reactor watch a descriptor for `source`, for as long as the loop is open.
    pub(crate) fn watch(&self, fd: RawFd, source: Rc<dyn Source>) -> io::Result<()> {
        if self.is_closed() {
            return Err(loop_is_closed());
        }
        self.core.reactor.watch(fd, source)?;
        self.core.descriptors.superseded(fd);
        Ok(())
    }

    /// As [`watch`](LoopHandle::watch), for a descriptor that is ready at any time: the reactor only keeps the source.
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
            .finish_non_exhaustive()
    }
}
