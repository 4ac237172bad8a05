//! A run with a time limit, whose error says what hung.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::LoopDump;
use crate::event_loop::EventLoop;

impl EventLoop {
    /// Runs until `main` is done, as [`run`](EventLoop::run) does, but for at most `limit`. This is for tests, and
    /// for programs that must end: if they hang, the error says which task waits for what.
    ///
    /// The limit is checked between steps. A step that blocks the thread is not interrupted.
    ///
    /// # Errors
    ///
    /// Returns [`Hung`] if the time is over before `main` is done. `main` is dropped then; the other tasks keep their
    /// state, as after `run`.
    ///
    /// # Panics
    ///
    /// The same as [`run`](EventLoop::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterwheel::{EventLoop, Promise};
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// let never = Promise::<()>::new();
    /// let hung = event_loop.run_within(Duration::from_millis(5), never.wait()).unwrap_err();
    /// assert_eq!(hung.dump().tasks[0].waits[0].what, "a promise");
    /// println!("{hung}");
    /// # std::io::Result::Ok(())
    /// ```
    #[track_caller]
    pub fn run_within<F: IntoFuture>(&mut self, limit: Duration, main: F) -> Result<F::Output, Hung> {
        let over = Rc::new(Over::default());
        // A callback takes the dump, so that the dump shows where the main future waits.
        let timer = self.handle().call_later(limit, {
            let (over, event_loop) = (Rc::clone(&over), self.handle());
            move || {
                over.dump.set(Some(Box::new(event_loop.dump_tasks())));
                over.waker.take().into_iter().for_each(Waker::wake);
            }
        });
        let main = main.into_future();
        let outcome = self.run(async {
            let mut main = pin!(main);
            poll_fn(|cx| match main.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending => over.poll(cx).map(|dump| Err(Hung { limit, dump })),
            })
            .await
        });
        timer.cancel();
        outcome
    }
}

/// Whether the time is over. Only the main future waits for this.
#[derive(Default)]
struct Over {
    dump: Cell<Option<Box<LoopDump>>>,
    waker: Cell<Option<Waker>>,
}

impl Over {
    /// Leaves no reason for a dump, since the time limit is not what the main future waits for.
    fn poll(&self, cx: &Context<'_>) -> Poll<Box<LoopDump>> {
        drop(self.waker.replace(Some(cx.waker().clone())));
        self.dump.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// The main future was not done in time.
#[derive(Debug)]
pub struct Hung {
    limit: Duration,
    /// Boxed, since it is large and errors are moved often.
    dump: Box<LoopDump>,
}

impl Hung {
    /// What the loop was doing when the time was over.
    pub fn dump(&self) -> &LoopDump {
        &self.dump
    }
}

impl fmt::Display for Hung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the main future is not done after {:?}\n{}", self.limit, self.dump)
    }
}

impl Error for Hung {}

impl From<Hung> for io::Error {
    fn from(hung: Hung) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, hung)
    }
}
