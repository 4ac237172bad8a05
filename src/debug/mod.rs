//! Switching debug mode on and off.

#[cfg(feature = "signals")]
mod quit;

use std::time::Duration;

use crate::event_loop::LoopHandle;

/// A run begins. If the loop is in debug mode, SIGQUIT prints a dump from now on.
pub(crate) fn begin_run(event_loop: &LoopHandle) {
    #[cfg(feature = "signals")]
    if event_loop.get_debug() {
        quit::listen(event_loop);
    }
    #[cfg(not(feature = "signals"))]
    let _ = event_loop;
}

impl LoopHandle {
    /// Switches debug mode on or off, from the next turn on. [`Builder::debug`](crate::Builder::debug) creates a loop
    /// with it switched on, and the environment variable `WATERWHEEL_DEBUG=1` switches it on for every loop whose
    /// builder does not say otherwise.
    ///
    /// In debug mode a loop looks for likely faults of the program. It reports each as an
    /// [`Incident`](crate::Incident), which goes to the exception handler or to the log:
    ///
    /// | message | what happened | remedy |
    /// | --- | --- | --- |
    /// | A step took too long | a callback, or a step of a task, ran for [100 ms](LoopHandle::set_slow_callback_duration) or longer; nothing else could run meanwhile | [`to_thread`](crate::to_thread), or [`yield_now`](crate::yield_now()) now and then |
    /// | A timer was late | by as long: a step before it was slow, or many steps were ready at once | the same |
    /// | A task failed, and its error was never taken | its future returned an `Err`, and its [`Task`](crate::Task) was dropped without being awaited | await the task, or report the error inside it |
    /// | A task is woken again and again, though it is over | 100 times: its waker was kept somewhere. (A task that is not over is polled in the turn after it is woken.) | drop the waker together with the future that registered it |
    /// | A builder was made, and never awaited, so it did nothing | for example in `let _ = open_connection(..)`, or because of an error between making and awaiting it | await it, and do what may fail before making it |
    /// | A writer stays above its high-water mark and is never drained | for 100 turns after a [`write`](crate::StreamWriter::write) on the reported line; the peer does not keep up | [`drain`](crate::StreamWriter::drain) after writing |
    /// | A writer was dropped over its high mark, and nobody had drained it | a handler or another task has ended with bytes unsent. Dropping a writer closes its side and is no fault in itself; but these bytes are given up if the peer takes none of them for [30 seconds](crate::Builder::close_timeout), and only a reader that still exists gets an error | `drain`, or [`close`](crate::StreamWriter::close) and [`wait_closed`](crate::StreamWriter::wait_closed) |
    ///
    /// Times are those of the loop's [clock](crate::Builder::clock).
    ///
    /// Steps are timed in debug mode, so [`dump_tasks`](LoopHandle::dump_tasks) knows the longest poll of each task,
    /// and [`RemoteHandle::dump`](crate::RemoteHandle::dump) says which step is running in a loop that does not
    /// answer. Each step costs a few clock readings and a few allocations more. A loop that is not in debug mode pays
    /// only for one check per turn. The line that wrote is known only for writers that were created in debug mode.
    ///
    /// With the feature `signals`, SIGQUIT (`Ctrl-\`) prints a dump to standard error, and the program goes on. This
    /// works from the first [`run`](crate::EventLoop::run) or [`run_forever`](crate::EventLoop::run_forever) in debug
    /// mode until debug mode is switched off or the loop is closed. The signal is handled on a thread of its own: if
    /// the loop has not answered for a second, the step that it is stuck in is printed instead.
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    /// use std::time::Duration;
    /// use waterwheel::testing::ManualClock;
    /// use waterwheel::{EventLoop, yield_now};
    ///
    /// let clock = Rc::new(ManualClock::new());
    /// let mut event_loop = EventLoop::builder().clock(clock.clone()).debug(true).build()?;
    /// let told = Rc::new(RefCell::new(Vec::new()));
    /// let tell = Rc::clone(&told);
    /// event_loop.handle().set_exception_handler(move |incident| tell.borrow_mut().push(incident.to_string()));
    /// event_loop.run(async {
    ///     clock.advance(Duration::from_secs(2)); // a long calculation
    ///     yield_now().await;
    /// });
    /// assert!(told.borrow()[0].starts_with("A step took too long\ndetail: the main future ran for 2.0s"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_debug(&self, on: bool) {
        self.core().set_debug(on);
        #[cfg(feature = "signals")]
        if !on {
            quit::ignore(self);
        } else if self.is_running() {
            quit::listen(self);
        }
    }

    /// Whether the loop is in [debug mode](LoopHandle::set_debug).
    ///
    /// ```
    /// # let event_loop = waterwheel::EventLoop::builder().debug(false).build()?;
    /// let handle = event_loop.handle();
    /// handle.set_debug(true);
    /// assert!(handle.get_debug());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn get_debug(&self) -> bool {
        self.core().executor.is_debugged()
    }

    /// Sets how long a step may take, and how late a timer may be, before [debug mode](LoopHandle::set_debug) reports
    /// it. Zero reports every step.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let event_loop = waterwheel::EventLoop::new()?;
    /// event_loop.handle().set_slow_callback_duration(Duration::from_millis(20));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "slow_callback_duration")]
    pub fn set_slow_callback_duration(&self, most: Duration) {
        self.core().set_slow_callback_duration(most);
    }

    /// How long a step may take before [debug mode](LoopHandle::set_debug) reports it.
    pub fn slow_callback_duration(&self) -> Duration {
        self.core().slow_callback_duration()
    }
}
