//! Running blocking work on other threads.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::errors::{JoinError, PanicPayload};
use crate::event_loop::{EventLoop, LoopHandle, get_running_loop};
use crate::executor::{Awaited, Reason, leave, poll_operation};
use crate::threads::{JobError, Working};

/// Runs `work`, which would block the loop, on another thread.
///
/// The loop has up to 16 threads, or as many as [`Builder::thread_limit`](crate::Builder::thread_limit) says, which are
/// started when they are needed and end when they have had no work for a while. Further work waits for a free thread.
///
/// ```
/// waterwheel::run(async {
///     let read = waterwheel::to_thread(|| std::fs::read_to_string("Cargo.toml"));
///     assert!(read.await.unwrap().unwrap().contains("waterwheel"));
/// });
/// ```
///
/// # Cancel safety
///
/// The work is handed over by this call. If the future is dropped, work that has not begun is dropped, too. Work that
/// has begun goes on, and its result is dropped.
///
/// # Errors
///
/// Fails with [`JoinError::Panicked`] if the work panicked, and with [`JoinError::NoThread`] if the system has no
/// thread left or the loop's threads were [shut down](EventLoop::shutdown_default_executor).
///
/// # Panics
///
/// Panics if no loop runs on this thread.
#[doc(alias = "spawn_blocking")]
#[track_caller]
pub fn to_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> ToThread<T> {
    get_running_loop().run_in_executor(work)
}

impl LoopHandle {
    /// Runs `work` on a thread of this loop, as [`to_thread`] does on one of the running loop.
    ///
    /// # Cancel safety, errors
    ///
    /// They are the same as for [`to_thread`].
    ///
    /// # Examples
    ///
    /// The work begins before the loop runs, while the program prepares other things:
    ///
    /// ```
    /// use waterwheel::EventLoop;
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// let reading = event_loop.handle().run_in_executor(|| std::fs::read_to_string("Cargo.toml"));
    /// // ... other preparations ...
    /// let settings = event_loop.run(reading).expect("the work does not panic")?;
    /// assert!(settings.contains("waterwheel"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn run_in_executor<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> ToThread<T> {
        let at = Location::caller();
        ToThread { working: self.core().threads.run(work, at), at }
    }
}

/// The future of [`to_thread`].
#[must_use = "work whose future is dropped may never begin"]
pub struct ToThread<T> {
    working: Working<T>,
    /// Where `to_thread` or `run_in_executor` was called.
    at: &'static Location<'static>,
}

impl<T> Future for ToThread<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(poll_operation(cx));
        let working = Pin::new(&mut self.working).poll(cx);
        if working.is_pending() {
            leave(Reason::new(Awaited::ToThread, self.at));
        }
        working.map_err(|error| match error {
            JobError::NoThread(error) => JoinError::NoThread(error),
            JobError::Panicked(payload) => JoinError::Panicked(PanicPayload::new(payload)),
        })
    }
}

impl<T> fmt::Debug for ToThread<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToThread").finish_non_exhaustive()
    }
}

impl EventLoop {
    /// Blocks the calling thread until the loop's threads have done all the work that was given to them. From now on
    /// they take no more work.
    ///
    /// Dropping the loop does not wait: work that has begun goes on by itself, and ends with the process at the latest.
    ///
    /// # Errors
    ///
    /// Fails if it takes longer than `timeout`. The unfinished work goes on; the error lists it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use waterwheel::{EventLoop, spawn, to_thread};
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// event_loop.run(async {
    ///     let saving = to_thread(|| { /* writes a file */ });
    ///     spawn(saving);
    /// });
    /// event_loop.shutdown_default_executor(Duration::from_secs(10))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_default_executor(&mut self, timeout: Duration) -> Result<(), ExecutorBusy> {
        let shut_down = self.handle().core().threads.shut_down(timeout);
        shut_down.map_err(|jobs| ExecutorBusy { timeout, jobs })
    }
}

/// The error of [`EventLoop::shutdown_default_executor`]: some work was not done in time. It has the lines that started
/// that work.
#[derive(Debug)]
pub struct ExecutorBusy {
    timeout: Duration,
    jobs: Vec<&'static Location<'static>>,
}

impl ExecutorBusy {
    /// The lines that started the unfinished work: first running work, then work that waits for a thread.
    pub fn jobs(&self) -> &[&'static Location<'static>] {
        &self.jobs
    }
}

impl fmt::Display for ExecutorBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} jobs on threads are still running after {:?}, started at", self.jobs.len(), self.timeout)?;
        let mut separator = " ";
        for job in &self.jobs {
            write!(f, "{separator}{job}")?;
            separator = ", ";
        }
        Ok(())
    }
}

impl Error for ExecutorBusy {}

impl From<ExecutorBusy> for io::Error {
    fn from(error: ExecutorBusy) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, error)
    }
}
