//! What the tests of the laws share: a watchdog, quiet around a test that counts descriptors, and incidents kept.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::cell::RefCell;
use std::fs;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{PoisonError, RwLock};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use waterwheel::{EventLoop, LoopHandle};

/// Held for reading by every test of a binary, also by those that only read files, and for writing by those that count the process's descriptors.
static QUIET: RwLock<()> = RwLock::new(());

/// Runs a test on a thread of its own. A test that hangs fails, instead of blocking the others.
pub(crate) fn guarded(test: impl FnOnce() + Send + 'static) {
    let _shared = QUIET.read().unwrap_or_else(PoisonError::into_inner);
    watch(20, test);
}

/// As [`guarded`], while no other test runs.
pub(crate) fn guarded_alone(test: impl FnOnce() + Send + 'static) {
    let _alone = QUIET.write().unwrap_or_else(PoisonError::into_inner);
    watch(300, test);
}

/// Does something on a thread of its own, and waits until it is done.
pub(crate) fn on_another_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    thread::scope(|scope| scope.spawn(work).join().unwrap())
}

fn watch(seconds: u64, test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = channel::<()>();
    let thread = thread::spawn(move || {
        let _done = done;
        test();
    });
    let patience = Duration::from_secs(seconds);
    assert_ne!(is_done.recv_timeout(patience), Err(RecvTimeoutError::Timeout), "the test hangs");
    if let Err(payload) = thread.join() {
        resume_unwind(payload);
    }
}

/// How many descriptors the process has open.
pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux lists the descriptors of a process").count()
}

/// What was reported to a loop's exception handler.
#[derive(Clone, Default)]
pub(crate) struct Incidents(Rc<RefCell<Vec<String>>>);

impl Incidents {
    pub(crate) fn of(event_loop: &LoopHandle) -> Incidents {
        let incidents = Incidents::default();
        let kept = Rc::clone(&incidents.0);
        event_loop.set_exception_handler(move |incident| {
            let text = format!("{}: {}", incident.message(), incident.panic().unwrap_or("no panic"));
            kept.borrow_mut().push(text);
        });
        incidents
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Runs `main` on a loop whose incidents make the test fail.
pub(crate) fn run_clean<F: Future>(main: F) -> F::Output {
    let mut event_loop = EventLoop::new().expect("a loop can be made");
    let incidents = Incidents::of(&event_loop.handle());
    let output = event_loop.run(main);
    drop(event_loop);
    assert_eq!(incidents.take(), Vec::<String>::new());
    output
}

/// Numbers that look random and are the same in every run.
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

/// `len` bytes that differ from their neighbours in a long period, so that a lost or doubled byte shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)).wrapping_mul(31) as u8).collect()
}

/// Polls a future at most `polls` times, once in each turn, then drops it and gives `None`.
pub(crate) fn give_up_after<F: Future>(polls: usize, future: F) -> GiveUp<F> {
    GiveUp { future: Some(Box::pin(future)), polls }
}

pub(crate) struct GiveUp<F> {
    future: Option<Pin<Box<F>>>,
    polls: usize,
}

impl<F: Future> Future for GiveUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            self.future = None;
            return Poll::Ready(None);
        }
        self.polls -= 1;
        let future = self.future.as_mut().expect("it is polled until it is done");
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 => {
                self.future = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
