//! Signals, by means of signal-hook: handlers of a loop, streams of signals, and waiting for Ctrl-C.
//!
//! ```text
//!   the kernel ──► signal-hook's handler ──► a byte for each loop that listens ──► the loop reads it in a turn
//!                                                                             ├──► the handler, as a callback
//!                                                                             └──► the streams
//! ```
//!
//! Each loop has a socket pair for each signal that it listens to, so that every loop on every thread receives the
//! signal, and the signal number need not be sent. The loop watches its end with [`LoopHandle::add_reader`].

mod handler;
mod inbox;
mod listener;
mod process;
mod stream;

use std::io;
use std::panic::Location;

use crate::event_loop::LoopHandle;
use handler::Handler;
use listener::Listener;

pub(crate) use process::Caught;
pub use stream::{CtrlC, Signals, ctrl_c, signals};

impl LoopHandle {
    /// Calls `handler` in a turn of this loop when the process gets the signal. An earlier handler of the same signal on
    /// this loop is dropped.
    ///
    /// The handler is an ordinary callback, so it may do anything that a callback may, unlike a signal handler of the
    /// system. Any number of loops on any threads may listen to the same signal, and each of them receives it.
    /// Interrupted system calls are restarted.
    ///
    /// While a loop listens to a signal, its default action, which ends the process for most signals, does not
    /// happen. When no loop listens to it any more, the default action happens again, whatever the process did with
    /// the signal before. A signal without a name, such as a real-time signal, cannot be restored in this way, and
    /// ends the process with the exit status 128 plus its number. Listeners elsewhere in the program that do not use
    /// this crate do not count.
    ///
    /// # Coalescing
    ///
    /// The system may deliver a signal only once that was sent several times in a row, and a loop that is not running
    /// counts no more than a few hundred deliveries. But the handler is always called at least once after the signal
    /// was last sent.
    ///
    /// # Errors
    ///
    /// Fails with `InvalidInput` if there is no such signal, and with `Unsupported` if it cannot be caught: `SIGKILL` and
    /// `SIGSTOP`, and the faults `SIGSEGV`, `SIGILL` and `SIGFPE`. Also fails if the system has no descriptors left, or if
    /// the loop is closed.
    ///
    /// # Panics
    ///
    /// If the handler panics, the panic is reported to the loop's exception handler. The handler stays.
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::signal_hook::consts::SIGUSR1;
    /// use waterwheel::signal_hook::low_level::raise;
    ///
    /// let mut event_loop = waterwheel::EventLoop::new()?;
    /// let handle = event_loop.handle();
    /// handle.add_signal_handler(SIGUSR1, {
    ///     let handle = handle.clone();
    ///     move || handle.stop()
    /// })?;
    /// handle.call_soon(|| raise(SIGUSR1).unwrap());
    /// event_loop.run_forever();
    /// assert!(handle.remove_signal_handler(SIGUSR1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn add_signal_handler(&self, signal: i32, handler: impl FnMut() + 'static) -> io::Result<()> {
        let handler = Handler::new(Box::new(handler), Location::caller());
        Listener::of(self, signal)?.set_handler(handler);
        Ok(())
    }

    /// Removes the handler of a signal on this loop and drops it. Returns whether there was one. It is no longer
    /// called, even if the signal has already arrived.
    pub fn remove_signal_handler(&self, signal: i32) -> bool {
        listener::remove_handler(self, signal)
    }
}
