//! Signals that a coroutine can await.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use signal_hook::consts::SIGINT;

use super::inbox::Inbox;
use super::listener::{Listener, remove_inbox};
use crate::event_loop::{LoopHandle, get_running_loop};
use crate::executor::{Awaited, because};

/// Listens to these signals on the running loop until the stream is dropped.
///
/// [`LoopHandle::add_signal_handler`] says what happens to the default action of a signal, and how the system coalesces
/// signals.
///
/// ```
/// use waterwheel::signal_hook::consts::{SIGUSR1, SIGUSR2};
/// use waterwheel::signal_hook::low_level::raise;
///
/// # waterwheel::run(async {
/// let mut signals = waterwheel::signals(&[SIGUSR1, SIGUSR2])?;
/// raise(SIGUSR2)?;
/// assert_eq!(signals.next().await, SIGUSR2);
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// The same as [`LoopHandle::add_signal_handler`]. After an error it listens to none of the signals.
///
/// # Panics
///
/// If no loop runs on this thread.
#[doc(alias = "set_wakeup_fd")]
#[doc(alias = "sigwait")]
#[track_caller]
pub fn signals(of: &[i32]) -> io::Result<Signals> {
    Signals::of(&get_running_loop(), of)
}

/// A stream of signals, created by [`signals`]. Dropping it ends the listening.
#[must_use = "dropping it ends the listening"]
pub struct Signals {
    event_loop: LoopHandle,
    of: Vec<i32>,
    inbox: Rc<Inbox>,
}

impl Signals {
    /// The same as [`signals`], on this loop.
    pub(crate) fn of(event_loop: &LoopHandle, of: &[i32]) -> io::Result<Signals> {
        let mut signals = Signals { event_loop: event_loop.clone(), of: Vec::new(), inbox: Rc::default() };
        for &signal in of {
            if !signals.of.contains(&signal) {
                Listener::of(event_loop, signal)?.add_inbox(Rc::clone(&signals.inbox));
                signals.of.push(signal);
            }
        }
        Ok(signals)
    }

    /// Waits for the next signal and returns its number. Signals that have arrived since the stream was created are
    /// returned first, in the order of their arrival. A signal that arrives again before it is taken is returned only
    /// once.
    ///
    /// After the loop has closed, this waits forever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call returns the signal.
    #[expect(clippy::should_implement_trait, reason = "an asynchronous iterator has this name for it, too")]
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = i32> {
        because(Awaited::Signal, Location::caller(), async move { poll_fn(|cx| self.poll_next_signal(cx)).await })
    }

    /// Polls for the next signal, as [`next`](Signals::next) does. Only the waker of the last poll is kept.
    ///
    /// # Examples
    ///
    /// A future that also waits for something else:
    ///
    /// ```
    /// use std::future::{Future, poll_fn};
    /// use std::pin::pin;
    /// use std::task::Poll;
    /// use waterwheel::signal_hook::{consts::SIGUSR1, low_level::raise};
    ///
    /// /// The output of `work`, or the number of a signal that arrives first.
    /// async fn unless_told<T>(signals: &mut waterwheel::Signals, work: impl Future<Output = T>) -> Result<T, i32> {
    ///     let mut work = pin!(work);
    ///     poll_fn(|cx| match signals.poll_next_signal(cx) {
    ///         Poll::Ready(signal) => Poll::Ready(Err(signal)),
    ///         Poll::Pending => work.as_mut().poll(cx).map(Ok),
    ///     })
    ///     .await
    /// }
    ///
    /// # waterwheel::run(async {
    /// let mut signals = waterwheel::signals(&[SIGUSR1])?;
    /// assert_eq!(unless_told(&mut signals, async { 5 }).await, Ok(5));
    /// raise(SIGUSR1)?;
    /// assert_eq!(unless_told(&mut signals, std::future::pending::<()>()).await, Err(SIGUSR1));
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn poll_next_signal(&mut self, cx: &mut Context<'_>) -> Poll<i32> {
        self.inbox.poll_take(cx)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for &signal in &self.of {
            remove_inbox(&self.event_loop, signal, &self.inbox);
        }
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").field("of", &self.of).field("inbox", &self.inbox).finish()
    }
}

/// Waits for Ctrl-C, which is the signal `SIGINT`.
///
/// From the first poll until the future is dropped, Ctrl-C does not end the process. The same future can be awaited
/// again through a `&mut` reference, for the next Ctrl-C. Between two calls of this function, by contrast, there is
/// no listener, and Ctrl-C ends the process.
///
/// ```no_run
/// # async fn example() -> std::io::Result<()> {
/// waterwheel::ctrl_c().await?;
/// println!("bye");
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
///
/// Dropping the future ends the listening.
///
/// # Errors
///
/// If the system has no descriptors left.
///
/// # Panics
///
/// If it is polled outside a running loop.
#[doc(alias = "KeyboardInterrupt")]
#[doc(alias = "SIGINT")]
pub fn ctrl_c() -> CtrlC {
    CtrlC { listening: None }
}

/// The future of [`ctrl_c`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct CtrlC {
    /// Set by the first poll.
    listening: Option<Signals>,
}

impl Future for CtrlC {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let listening = match self.listening.take() {
            Some(listening) => listening,
            None => signals(&[SIGINT])?,
        };
        let listening = self.listening.insert(listening);
        listening.inbox.poll_take(cx).map(|_| Ok(()))
    }
}
