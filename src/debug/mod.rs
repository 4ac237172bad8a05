//! Debug mode, as a program switches it on and off.

#[cfg(feature = "signals")]
mod quit;

use std::time::Duration;

use crate::event_loop::LoopHandle;

/// A run begins. If the loop is in debug mode, SIGQUIT prints what it does from now on.
pub(crate) fn begin_run(event_loop: &LoopHandle) {
    #[cfg(feature = "signals")]
    if event_loop.get_debug() {
        quit::listen(event_loop);
    }
    #[cfg(not(feature = "signals"))]
    let _ = event_loop;
}

impl LoopHandle {
    /// Switches debug mode on or off, from the next turn on. [`Builder::debug`](crate::Builder::debug) has a loop begin with
    /// it, and the variable `WATERWHEEL_DEBUG=1` of the environment has every loop of a program that does not say
    /// otherwise.
    ///
    /// In debug mode a loop looks out for what is mostly a fault of the program. It tells each as an
    /// [`Incident`](crate::Incident), which goes to the exception handler, or to the log:
    ///
    /// | message | what happened | what mends it |
    /// | --- | --- | --- |
    /// | A step took too long | a callback, or a step of a task, ran for [100 ms](LoopHandle::set_slow_callback_duration) or longer; nothing else could run meanwhile | [`to_thread`](crate::to_thread), or a [`yield_now`](crate::yield_now()) in between |
    /// | A timer was late | by as long: a step before it was slow, or many were ready at once | the same |
    /// | A task failed, and nobody took its error | its future returned an `Err`, and its [`Task`](crate::Task) was dropped without being awaited | await the task, or tell of the error in it |
    /// | A task is woken again and again, though it is over | 100 times: somebody has kept its waker. (A task that is not over is polled in the turn after it is woken.) | drop the waker with the future that left it |
    /// | A builder was made, and never awaited, so it did nothing | as by `let _ = open_connection(..)`, or by an error between making and awaiting it | await it, and do what may fail before it is made |
    /// | A writer stays over its high mark, and nobody drains it | for 100 turns, after a [`write`](crate::StreamWriter::write) of the line that it names; the peer does not keep up | [`drain`](crate::StreamWriter::drain) after writing |
    /// | A writer was dropped over its high mark, and nobody had drained it | a handler, or another task, has ended so. Dropping a writer is how its side is closed, and no fault; but what is left here is given up if the peer takes none of it for [30 seconds](crate::Builder::close_timeout), and only a reader that is still there hears of that | `drain`, or [`close`](crate::StreamWriter::close) and [`wait_closed`](crate::StreamWriter::wait_closed) |
    ///
    /// Times are those of the loop's [clock](crate::Builder::clock).
    ///
    /// A step is timed in debug mode, so [`dump_tasks`](LoopHandle::dump_tasks) knows the longest poll of each task, and
    /// [`RemoteHandle::dump`](crate::RemoteHandle::dump) says of a loop that does not answer which step is running. Each
    /// step costs a few readings of the clock and a few allocations more. A loop that is not in debug mode asks once in a
    /// turn, and pays nothing else. Which line writes is known of writers that were made in debug mode only.
    ///
    /// With the feature `signals`, SIGQUIT (`Ctrl-\`) prints a dump on standard error, and the program goes on. That is so
    /// from the first [`run`](crate::EventLoop::run) or [`run_forever`](crate::EventLoop::run_forever) in debug mode until it
    /// is switched off or the loop is closed. A thread waits for the signal meanwhile, so a loop that has been stuck for a
    /// second is told of as well: which step it is in.
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

    /// Sets from how long on [debug mode](LoopHandle::set_debug) reports a step, and how late a timer may be before it is
    /// reported. Zero reports every step.
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

    /// From how long on [debug mode](LoopHandle::set_debug) reports a step.
    pub fn slow_callback_duration(&self) -> Duration {
        self.core().slow_callback_duration()
    }
}
