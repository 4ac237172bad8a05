//! Letters that arrive while the loop works, falls asleep, or sleeps.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use waterwheel::{get_running_loop, spawn, yield_now};

use crate::explore;
use crate::house::event_loop;

/// Waits until `count`, which is written with relaxed ordering, has reached `goal`. Only the wakes make the writes
/// visible. Passes its waker to `to` at the first poll.
fn reaches<T: FnOnce(Waker)>(count: &Arc<AtomicUsize>, goal: usize, to: T) -> impl Future<Output = ()> + use<T> {
    let count = Arc::clone(count);
    let mut to = Some(to);
    poll_fn(move |cx| {
        if let Some(to) = to.take() {
            to(cx.waker().clone());
        }
        if count.load(Ordering::Relaxed) == goal { Poll::Ready(()) } else { Poll::Pending }
    })
}

/// A thread that increments the count and then wakes.
fn counts_on(count: &Arc<AtomicUsize>, waker: Waker) -> thread::JoinHandle<()> {
    let count = Arc::clone(count);
    thread::spawn(move || {
        count.fetch_add(1, Ordering::Relaxed);
        waker.wake();
    })
}

#[test]
fn calls_of_two_threads_run_once_each_and_wake_a_loop_that_falls_asleep() {
    explore(|| {
        let mut event_loop = event_loop();
        let ran = Arc::new(AtomicUsize::new(0));
        let senders = [1, 2].map(|_| {
            let (remote, ran) = (event_loop.handle().remote(), Arc::clone(&ran));
            thread::spawn(move || {
                let accepted = remote.call_soon(move || {
                    if ran.fetch_add(1, Ordering::Relaxed) == 1 {
                        get_running_loop().stop();
                    }
                });
                assert!(accepted);
            })
        });
        event_loop.run_forever();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_eq!(ran.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn the_calls_of_a_thread_run_in_their_order() {
    explore(|| {
        let mut event_loop = event_loop();
        let remote = event_loop.handle().remote();
        let next = Arc::new(AtomicUsize::new(0));
        let sender = thread::spawn(move || {
            for number in 0..3 {
                let next = Arc::clone(&next);
                remote.call_soon(move || {
                    assert_eq!(next.fetch_add(1, Ordering::Relaxed), number);
                    if number == 2 {
                        get_running_loop().stop();
                    }
                });
            }
        });
        event_loop.run_forever();
        sender.join().unwrap();
    });
}

#[test]
fn a_task_sees_what_was_done_before_any_wake_of_it() {
    explore(|| {
        let mut event_loop = event_loop();
        let count = Arc::new(AtomicUsize::new(0));
        let mut threads = Vec::new();
        let start = |waker: Waker| threads.extend([counts_on(&count, waker.clone()), counts_on(&count, waker)]);
        event_loop.run(reaches(&count, 2, start));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_thread_that_wakes_twice_posts_no_wake_too_few() {
    explore(|| {
        let mut event_loop = event_loop();
        let count = Arc::new(AtomicUsize::new(0));
        let mut threads = Vec::new();
        let start = |waker: Waker| {
            let count = Arc::clone(&count);
            threads.push(thread::spawn(move || {
                for _ in 0..2 {
                    count.fetch_add(1, Ordering::Relaxed);
                    waker.wake_by_ref();
                }
            }));
        };
        event_loop.run(reaches(&count, 2, start));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_waker_that_is_used_or_dropped_late_harms_no_later_task_with_the_same_seat() {
    explore(|| {
        let mut event_loop = event_loop();
        let (count, other) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let kept: Rc<Cell<Option<Waker>>> = Rc::default();
        let keeper = || {
            let kept = Rc::clone(&kept);
            move |waker| kept.set(Some(waker))
        };
        let mut threads = Vec::new();
        event_loop.run(async {
            // The waker of a task that has ended goes to another thread.
            let first = spawn(reaches(&other, 0, keeper()));
            first.await.unwrap();
            threads.push(counts_on(&other, kept.take().expect("it has been polled")));
            // The next task has the same seat. Only the second thread may end its wait.
            let next = spawn(reaches(&count, 1, keeper()));
            yield_now().await;
            threads.push(counts_on(&count, kept.take().expect("it has been polled")));
            next.await.unwrap();
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!((count.load(Ordering::Relaxed), other.load(Ordering::Relaxed)), (1, 1));
    });
}
