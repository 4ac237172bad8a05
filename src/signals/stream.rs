//! Signals that a coroutine awaits.

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

/// Listens to these signals, on the loop that runs on this thread, until the stream is dropped.
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
/// As [`LoopHandle::add_signal_handler`]. It listens to none of the signals then.
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

/// A stream of signals, made by [`signals`]. Dropping it ends the listening.
#[must_use = "dropping it ends the listening"]
pub struct Signals {
    event_loop: LoopHandle,
    of: Vec<i32>,
    inbox: Rc<Inbox>,
}

impl Signals {
    /// As [`signals`], on this loop.
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

    /// Waits for the next signal and gives its number. What came since the stream was made and was not taken yet is given
    /// first, in the order in which it came. A signal that comes again before it was taken is given once.
    ///
    /// After the loop has closed this waits for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the signal is given to the next call.
    #[expect(clippy::should_implement_trait, reason = "an asynchronous iterator has this name for it, too")]
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = i32> {
        because(Awaited::Signal, Location::caller(), async move { poll_fn(|cx| self.poll_next_signal(cx)).await })
    }

    /// Polls for the next signal, as [`next`](Signals::next) does. The waker of the last poll is kept.
    ///
    /// # Examples
    ///
    /// In a future that waits for something else, too:
    ///
    /// ```
    /// use std::future::{Future, poll_fn};
    /// use std::pin::pin;
    /// use std::task::Poll;
    /// use waterwheel::signal_hook::{consts::SIGUSR1, low_level::raise};
    ///
    /// /// What `work` gives, or the number of the signal that came before.
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
/// From the first poll on, Ctrl-C does not end the process, until the future is dropped. While it is kept, it can be
/// awaited again by a `&mut` reference, for the next Ctrl-C; between two calls of this function nobody listens, and Ctrl-C
/// ends the process.
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
/// If it is polled where no loop runs.
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
