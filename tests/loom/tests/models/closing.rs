//! A loop that closes while other threads send to it: nothing is lost, and nothing is done twice.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use waterwheel::{spawn, yield_now};

use crate::explore;
use crate::house::event_loop;

/// Counts what becomes of calls.
#[derive(Default)]
struct Ledger {
    accepted: AtomicUsize,
    ran: AtomicUsize,
    dropped: AtomicUsize,
}

/// Held by a call, so that dropping the call is counted.
struct Held(Arc<Ledger>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Ledger {
    fn call(self: &Arc<Self>) -> impl FnOnce() + Send + 'static {
        let held = Held(Arc::clone(self));
        move || {
            held.0.ran.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is(&self, count: &AtomicUsize, expected: usize) -> bool {
        count.load(Ordering::Relaxed) == expected
    }
}

#[test]
fn a_call_to_a_loop_that_closes_is_refused_or_dropped_once() {
    explore(|| {
        let event_loop = event_loop();
        let ledger = Arc::new(Ledger::default());
        let senders = [1, 2].map(|_| {
            let (remote, ledger) = (event_loop.handle().remote(), Arc::clone(&ledger));
            thread::spawn(move || {
                if !remote.call_soon(ledger.call()) {
                    assert!(!remote.call_soon(|| {}), "a closed loop does not open again");
                }
            })
        });
        drop(event_loop);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert!(ledger.is(&ledger.dropped, 2) && ledger.is(&ledger.ran, 0));
    });
}

#[test]
fn a_call_to_a_loop_that_runs_and_closes_runs_once_or_is_dropped() {
    explore(|| {
        let mut event_loop = event_loop();
        let ledger = Arc::new(Ledger::default());
        let remote = event_loop.handle().remote();
        let sender = thread::spawn({
            let ledger = Arc::clone(&ledger);
            move || {
                for _ in 0..2 {
                    if remote.call_soon(ledger.call()) {
                        ledger.accepted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        event_loop.run(yield_now());
        drop(event_loop);
        sender.join().unwrap();
        assert!(ledger.is(&ledger.dropped, 2), "what ran was dropped after it, and the rest without");
        let (ran, accepted) = (ledger.ran.load(Ordering::Relaxed), ledger.accepted.load(Ordering::Relaxed));
        assert!(ran <= accepted, "{ran} ran of {accepted} that were accepted");
    });
}

#[test]
fn a_task_that_is_woken_while_its_loop_closes_is_dropped_once_and_the_waker_lives_on() {
    explore(|| {
        let mut event_loop = event_loop();
        let ledger = Arc::new(Ledger::default());
        let (held, kept) = (Held(Arc::clone(&ledger)), Rc::new(Cell::new(None)));
        let keeping = Rc::clone(&kept);
        event_loop.run(async {
            drop(spawn(poll_fn(move |cx| {
                let _ = &held;
                keeping.set(Some(cx.waker().clone()));
                Poll::<()>::Pending
            })));
            yield_now().await;
        });
        let waker: Waker = kept.take().expect("the task has been polled");
        let threads = [waker.clone(), waker].map(|waker| {
            thread::spawn(move || {
                waker.wake_by_ref();
                waker.wake();
            })
        });
        drop(event_loop);
        assert!(ledger.is(&ledger.dropped, 1));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(ledger.is(&ledger.dropped, 1));
    });
}
