//! Work that blocks, on a thread of its own.

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

/// Runs `work` on a thread, for what would otherwise block the loop.
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
/// The work is handed over by this call. Dropping the future forgets work that has not begun. Work that has begun goes on,
/// and its result is dropped.
///
/// # Errors
///
/// [`JoinError::Panicked`] if the work panicked, [`JoinError::NoThread`] if the system has no thread left, or the threads
/// were [shut down](EventLoop::shutdown_default_executor).
///
/// # Panics
///
/// If no loop runs on this thread.
#[doc(alias = "spawn_blocking")]
#[track_caller]
pub fn to_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> ToThread<T> {
    get_running_loop().run_in_executor(work)
}

impl LoopHandle {
    /// Runs `work` on a thread, as [`to_thread`] does on the loop that runs.
    ///
    /// # Cancel safety, errors
    ///
    /// As [`to_thread`].
    ///
    /// # Examples
    ///
    /// The work begins before the loop runs, and beside what else there is to do:
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
    /// Where it was called.
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
    /// Waits until the threads have done all work that was given to them, which blocks the thread that calls. From now on
    /// no more work is taken.
    ///
    /// Dropping the loop does not wait: work that has begun goes on by itself, and ends with the process at the latest.
    ///
    /// # Errors
    ///
    /// If it takes longer than `timeout`. The work goes on then; the error says which it is.
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

/// The threads of a loop did not end in time. It has the lines that started the work which is not done.
#[derive(Debug)]
pub struct ExecutorBusy {
    timeout: Duration,
    jobs: Vec<&'static Location<'static>>,
}

impl ExecutorBusy {
    /// Where the work was started that is not done: first what runs, then what waits for a thread.
    pub fn jobs(&self) -> &[&'static Location<'static>] {
        &self.jobs
    }
}

impl fmt::Display for ExecutorBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} jobs on threads are not done after {:?}, started at", self.jobs.len(), self.timeout)?;
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
