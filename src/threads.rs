//! A small pool of threads for work that can only block: looking up names, and the user's own work.
//!
//! No thread is started before there is work for it. A thread that has no work for a while ends. When the loop
//! closes, idle threads end at once and busy ones after their job, without anything waiting for them. A result wakes
//! the task that awaits it, and so comes back through the mailbox.

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use slab::Slab;

use crate::constants::{IDLE_THREAD, LOOKS_FOR_WORK, SPARE_ENTRIES};
use crate::sync::{Condvar, Mutex, MutexGuard, thread};

/// Where the job was started.
type Origin = &'static Location<'static>;

/// The threads of one loop.
pub(crate) struct Threads {
    shared: Arc<Shared>,
    /// How many results are awaited. While there are any, a clock that jumps stands still.
    awaited: Rc<Cell<usize>>,
}

struct Shared {
    state: Mutex<State>,
    /// There is work, or the pool was closed.
    work: Condvar,
    /// The last job has ended.
    done: Condvar,
}

struct State {
    waiting: VecDeque<Job>,
    /// Where each running job was started. There is one for each busy thread. The other threads look for work, or are
    /// about to.
    running: Slab<Origin>,
    /// Invariant: `running.len() + sleeping <= threads <= limit`.
    threads: usize,
    /// How many threads wait on [`Shared::work`], or were just woken by it. Threads that neither run a job nor sleep
    /// look for work, and need not be notified of it.
    sleeping: usize,
    limit: usize,
    /// How many threads were ever started, for their names.
    started: usize,
    phase: Phase,
}

impl State {
    /// Where each unfinished job was started, and whether it is running. Running jobs come first.
    fn jobs(&self) -> Vec<(Origin, bool)> {
        let running = self.running.iter().map(|(_, origin)| (*origin, true));
        running.chain(self.waiting.iter().map(|job| (job.origin, false))).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The pool accepts work.
    Open,
    /// The pool accepts no more work. Work accepted before is still done.
    ShuttingDown,
    /// The pool is closed. Work that has not begun is dropped.
    Closed,
}

struct Job {
    /// Returns the waker to call once the thread is free again.
    work: Box<dyn FnOnce() -> Option<Waker> + Send>,
    origin: Origin,
}

/// Why a job has no result.
pub(crate) enum JobError {
    /// No thread could be started for it.
    NoThread(io::Error),
    /// It panicked with this payload.
    Panicked(Box<dyn Any + Send>),
}

impl Threads {
    pub(crate) fn new(limit: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            running: Slab::new(),
            threads: 0,
            sleeping: 0,
            limit,
            started: 0,
            phase: Phase::Open,
        };
        let shared = Shared { state: Mutex::new(state), work: Condvar::new(), done: Condvar::new() };
        Threads { shared: Arc::new(shared), awaited: Rc::default() }
    }

    /// Runs `work` on a thread and returns its result. If the future is dropped, work that has not begun does not
    /// run; work that has begun runs to its end, and its result is dropped on its thread.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        origin: Origin,
    ) -> Working<T> {
        let slot = Arc::new(ResultSlot { state: Mutex::new(ResultState { result: None, waker: None }) });
        let wanted = Arc::downgrade(&slot);
        let started = self.start(Job { work: Box::new(move || work_for(&wanted, work)), origin });
        if let Err(error) = started {
            lock(&slot.state).result = Some(Err(JobError::NoThread(error)));
        }
        Working { slot, awaited: None, count: Rc::clone(&self.awaited) }
    }

    fn start(&self, job: Job) -> io::Result<()> {
        let mut state = lock(&self.shared.state);
        if state.phase != Phase::Open {
            return Err(io::Error::other("the threads of the event loop were shut down"));
        }
        state.waiting.push_back(job);
        let idle = state.threads - state.running.len();
        if idle >= state.waiting.len() || state.threads >= state.limit {
            let looking = idle - state.sleeping;
            let is_missed = state.waiting.len() > looking && state.sleeping > 0;
            drop(state);
            // The lock is released first, since a thread that is woken under it would have to wait for it.
            if is_missed {
                self.shared.work.notify_one();
            }
            return Ok(());
        }
        state.threads += 1;
        state.started += 1;
        let name = format!("waterwheel-worker-{}", state.started);
        drop(state);
        let shared = Arc::clone(&self.shared);
        let spawned = thread::Builder::new().name(name).spawn(move || shared.work_until_idle());
        let Err(error) = spawned else { return Ok(()) };
        let error = io::Error::new(error.kind(), format!("no thread could be started: {error}"));
        let mut state = lock(&self.shared.state);
        state.threads -= 1;
        // Other threads will do the job. If there are none, the job is taken back.
        if state.threads > 0 {
            return Ok(());
        }
        let abandoned = state.waiting.pop_back();
        drop(state);
        drop(abandoned);
        Err(error)
    }

    /// Whether the result of any job is awaited.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited.get() > 0
    }

    /// Where each unfinished job was started, and whether it is running. Running jobs come first.
    pub(crate) fn jobs(&self) -> Vec<(Origin, bool)> {
        lock(&self.shared.state).jobs()
    }

    /// Accepts no more work, and blocks this thread until all accepted work is done.
    ///
    /// # Errors
    ///
    /// If that takes longer than `timeout`, the error says where each unfinished job was started.
    pub(crate) fn shut_down(&self, timeout: Duration) -> Result<(), Vec<Origin>> {
        let mut state = lock(&self.shared.state);
        state.phase = Phase::ShuttingDown;
        self.shared.work.notify_all();
        let is_busy = |state: &mut State| !(state.waiting.is_empty() && state.running.is_empty());
        let waited = self.shared.done.wait_timeout_while(state, timeout, is_busy);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let left: Vec<_> = state.jobs().into_iter().map(|(origin, _)| origin).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    }

    /// Ends idle threads, and drops work that has not begun.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.shared.state);
        state.phase = Phase::Closed;
        let forgotten = std::mem::take(&mut state.waiting);
        drop(state);
        self.shared.work.notify_all();
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
        while let Some((job, place)) = self.next_job() {
            // The job drops a result that is no longer wanted. That is user code, which may panic.
            let waker = catch_unwind(AssertUnwindSafe(job.work)).unwrap_or_default();
            let mut state = lock(&self.state);
            state.running.remove(place);
            if state.phase == Phase::ShuttingDown && state.running.is_empty() && state.waiting.is_empty() {
                self.done.notify_all();
            }
            drop(state);
            // The task that awaits the result is woken only now, when this thread is free for the next job.
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn next_job(&self) -> Option<(Job, usize)> {
        let mut looks = LOOKS_FOR_WORK;
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.waiting.pop_front() {
                if state.waiting.is_empty() && state.waiting.capacity() > SPARE_ENTRIES {
                    state.waiting = VecDeque::new();
                }
                let place = state.running.insert(job.origin);
                return Some((job, place));
            }
            if state.phase != Phase::Open {
                state.threads -= 1;
                return None;
            }
            // Waking a sleeping thread takes longer than looking a few times for a job that follows at once.
            if looks > 0 {
                looks -= 1;
                drop(state);
                thread::yield_now();
                state = lock(&self.state);
                continue;
            }
            state.sleeping += 1;
            let (woken, waited) = self.work.wait_timeout(state, IDLE_THREAD).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.sleeping -= 1;
            if waited.timed_out() && state.waiting.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }
}

/// Where a job leaves its result for the future.
struct ResultSlot<T> {
    state: Mutex<ResultState<T>>,
}

struct ResultState<T> {
    result: Option<Result<T, JobError>>,
    waker: Option<Waker>,
}

/// Does the work, unless its future was dropped. Returns the waker of the task that awaits the result.
fn work_for<T>(wanted: &Weak<ResultSlot<T>>, work: impl FnOnce() -> T) -> Option<Waker> {
    if wanted.strong_count() == 0 {
        return None;
    }
    let result = catch_unwind(AssertUnwindSafe(work)).map_err(JobError::Panicked);
    let slot = wanted.upgrade()?;
    let mut state = lock(&slot.state);
    state.result = Some(result);
    state.waker.take()
}

/// The future of [`Threads::run`].
pub(crate) struct Working<T> {
    slot: Arc<ResultSlot<T>>,
    /// Set from the first poll that has to wait until there is a result.
    awaited: Option<Awaited>,
    count: Rc<Cell<usize>>,
}

/// Counts an awaited result.
struct Awaited(Rc<Cell<usize>>);

impl Awaited {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Awaited(Rc::clone(count))
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl<T> Future for Working<T> {
    type Output = Result<T, JobError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.slot.state);
        if let Some(result) = state.result.take() {
            drop(state);
            self.awaited = None;
            return Poll::Ready(result);
        }
        let earlier = state.waker.replace(cx.waker().clone());
        drop(state);
        drop(earlier);
        let this = &mut *self;
        this.awaited.get_or_insert_with(|| Awaited::new(&this.count));
        Poll::Pending
    }
}

/// Locks a mutex. Poisoning is ignored, since nothing panics while these locks are held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
