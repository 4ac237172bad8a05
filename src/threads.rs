//! A small pool of threads for work that blocks, which is looking up names.
//!
//! A thread is started only when there is work for it, and ends when it had none for a while. When the loop closes,
//! idle threads end at once and busy ones after their job, which nobody waits for. A result wakes the task that awaits
//! it by its waker, through the mailbox.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::constants::{IDLE_THREAD, MOST_THREADS, SPARE_ENTRIES};
use crate::errors::panic_text;

type Job = Box<dyn FnOnce() + Send>;

/// The threads of one loop.
#[derive(Default)]
pub(crate) struct Threads {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Invariant: `idle <= running <= MOST_THREADS`.
    running: usize,
    idle: usize,
    closed: bool,
}

impl Threads {
    /// Runs `work` on a thread and returns its result, or an error if no thread could be started or the work panicked.
    /// If the future is dropped, work that has not begun never runs. Work that has begun runs to its end, and its
    /// result is dropped on its thread.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Working<T> {
        let slot = Arc::new(ResultSlot { state: Mutex::new(ResultState { result: None, waker: None }) });
        let wanted = Arc::downgrade(&slot);
        let started = self.start(Box::new(move || work_for(&wanted, work)));
        if let Err(error) = started {
            lock(&slot.state).result = Some(Err(error));
        }
        Working { slot }
    }

    fn start(&self, job: Job) -> io::Result<()> {
        let mut state = lock(&self.shared.state);
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() || state.running >= MOST_THREADS {
            self.shared.work.notify_one();
            return Ok(());
        }
        state.running += 1;
        drop(state);
        let shared = Arc::clone(&self.shared);
        let spawned =
            thread::Builder::new().name("waterwheel-worker".to_owned()).spawn(move || shared.work_until_idle());
        let Err(error) = spawned else { return Ok(()) };
        let error = io::Error::new(error.kind(), format!("no thread could be had: {error}"));
        let mut state = lock(&self.shared.state);
        state.running -= 1;
        // Another thread takes the job. If there is no other, nobody does.
        if state.running > 0 {
            return Ok(());
        }
        let abandoned = state.jobs.pop_back();
        drop(state);
        drop(abandoned);
        Err(error)
    }

    /// Ends idle threads, and drops work that has not begun.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.shared.state);
        state.closed = true;
        let forgotten = std::mem::take(&mut state.jobs);
        let idle = state.idle;
        drop(state);
        if idle > 0 {
            self.shared.work.notify_all();
        }
        drop(forgotten);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn work_until_idle(&self) {
        while let Some(job) = self.next_job() {
            job();
        }
    }

    fn next_job(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                if state.jobs.is_empty() && state.jobs.capacity() > SPARE_ENTRIES {
                    state.jobs = VecDeque::new();
                }
                return Some(job);
            }
            if state.closed {
                state.running -= 1;
                return None;
            }
            state.idle += 1;
            let (woken, waited) = self.work.wait_timeout(state, IDLE_THREAD).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                state.running -= 1;
                return None;
            }
        }
    }
}

/// Where a thread leaves a result for whoever awaits it.
struct ResultSlot<T> {
    state: Mutex<ResultState<T>>,
}

struct ResultState<T> {
    result: Option<io::Result<T>>,
    waker: Option<Waker>,
}

fn work_for<T>(wanted: &Weak<ResultSlot<T>>, work: impl FnOnce() -> T) {
    if wanted.strong_count() == 0 {
        return;
    }
    let result = catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = format!("a worker thread panicked: {}", panic_text(&*payload));
        io::Error::other(text)
    });
    let Some(slot) = wanted.upgrade() else { return };
    let mut state = lock(&slot.state);
    state.result = Some(result);
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The future of [`Threads::run`].
pub(crate) struct Working<T> {
    slot: Arc<ResultSlot<T>>,
}

impl<T> Future for Working<T> {
    type Output = io::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.slot.state);
        if let Some(result) = state.result.take() {
            return Poll::Ready(result);
        }
        let earlier = state.waker.replace(cx.waker().clone());
        drop(state);
        drop(earlier);
        Poll::Pending
    }
}

/// Nothing panics under these locks, so they are not poisoned.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
