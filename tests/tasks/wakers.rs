//! Wakers that others hold: other threads, other loops, and code that keeps them for too long.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::common::running::{run, turns};
use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, Promise, Task, sleep, spawn, yield_now};

/// A task that waits for a flag, and its waker.
fn task_with_waker(set: &Arc<AtomicBool>) -> (Task<()>, Rc<RefCell<Option<Waker>>>) {
    let (waker, set) = (Rc::<RefCell<Option<Waker>>>::default(), Arc::clone(set));
    let kept = Rc::clone(&waker);
    let task = spawn(poll_fn(move |cx| {
        kept.replace(Some(cx.waker().clone()));
        if set.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }));
    (task, waker)
}

#[test]
fn a_waker_works_from_any_thread_after_the_task_and_after_the_loop() {
    let mut kept = None;
    run(async {
        for _ in 0..100 {
            let set = Arc::new(AtomicBool::new(false));
            let (task, waker) = task_with_waker(&set);
            turns(2).await;
            let waker = waker.take().unwrap();
            let far = waker.clone();
            let thread = std::thread::spawn(move || {
                set.store(true, Ordering::SeqCst);
                far.wake_by_ref();
                far
            });
            task.await.unwrap();
            let far = thread.join().unwrap();
            far.wake();
            waker.wake_by_ref();
            kept = Some(waker);
        }
    });
    let waker = kept.unwrap();
    waker.wake_by_ref();
    std::thread::spawn(move || waker.wake()).join().unwrap();
}

#[test]
fn a_thread_that_wakes_without_pause_neither_grows_the_mailbox_nor_starves_the_rest() {
    run(async {
        let (set, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (task, waker) = task_with_waker(&set);
        turns(2).await;
        let (waker, hammering) = (waker.take().unwrap(), Arc::clone(&over));
        let thread = std::thread::spawn(move || {
            let mut wakes = 0_u64;
            while !hammering.load(Ordering::SeqCst) {
                waker.wake_by_ref();
                wakes += 1;
            }
            wakes
        });
        for _ in 0..5 {
            sleep(Duration::from_millis(1)).await;
        }
        set.store(true, Ordering::SeqCst);
        task.await.unwrap();
        over.store(true, Ordering::SeqCst);
        assert!(thread.join().unwrap() > 100);
    });
}

#[test]
fn ten_thousand_stale_wakers_do_no_harm_to_the_tasks_that_came_later() {
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    event_loop.run(async {
        let stale: Rc<RefCell<Vec<Waker>>> = Rc::default();
        let first: Vec<_> = (0..10_000)
            .map(|_| {
                let stale = Rc::clone(&stale);
                spawn(poll_fn(move |cx| {
                    stale.borrow_mut().push(cx.waker().clone());
                    Poll::Ready(())
                }))
            })
            .collect();
        for task in first {
            task.await.unwrap();
        }
        let stale = stale.take();
        assert_eq!(stale.len(), 10_000);
        let done = Rc::new(Cell::new(0));
        let promise = Promise::new();
        let start = clock.elapsed();
        let later: Vec<_> = (0..10_000_u64)
            .map(|n| {
                let (done, promise, clock) = (Rc::clone(&done), promise.clone(), clock.clone());
                spawn(async move {
                    sleep(Duration::from_secs(n % 7 + 1)).await;
                    assert_eq!((clock.elapsed() - start).as_secs(), n % 7 + 1, "a sleep was cut short");
                    promise.wait().await;
                    done.set(done.get() + 1);
                    n
                })
            })
            .collect();
        turns(2).await;
        stale.iter().for_each(Waker::wake_by_ref);
        std::thread::scope(|scope| {
            scope.spawn(|| stale.iter().for_each(Waker::wake_by_ref));
        });
        turns(3).await;
        assert_eq!((done.get(), clock.elapsed()), (0, start));
        sleep(Duration::from_secs(8)).await;
        stale.into_iter().for_each(Waker::wake);
        turns(3).await;
        assert_eq!(done.get(), 0);
        promise.set(()).unwrap();
        for (n, task) in later.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n as u64);
        }
    });
}

#[test]
fn a_waker_of_one_loop_wakes_its_task_from_another_loop_of_the_same_thread() {
    let (mut one, mut other) = (EventLoop::new().unwrap(), EventLoop::new().unwrap());
    let set = Arc::new(AtomicBool::new(false));
    let (task, waker) = one.run(async { task_with_waker(&set) });
    let waker = waker.take().unwrap();
    other.run(async {
        set.store(true, Ordering::SeqCst);
        waker.wake();
    });
    one.run(task).unwrap();
    // The same for a promise, which the task awaits without a waker of its own.
    let promise = Promise::new();
    let waiting = promise.clone();
    let task = one.run(async { spawn(async move { waiting.wait().await }) });
    other.run(async { promise.set(7).unwrap() });
    assert_eq!(one.run(task).unwrap(), 7);
}

#[test]
fn the_waker_of_main_works_from_a_thread() {
    let set = Arc::new(AtomicBool::new(false));
    run(poll_fn(|cx| {
        if set.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        let (waker, set) = (cx.waker().clone(), Arc::clone(&set));
        std::thread::spawn(move || {
            set.store(true, Ordering::SeqCst);
            waker.wake();
        });
        Poll::Pending
    }));
}

/// A task that stores its waker in each poll, and counts its polls.
fn keeper(kept: &Rc<RefCell<Option<Waker>>>, polls: &Rc<Cell<u32>>) -> Task<()> {
    let (kept, polls) = (Rc::clone(kept), Rc::clone(polls));
    spawn(poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        kept.replace(Some(cx.waker().clone()));
        Poll::Pending
    }))
}

#[test]
fn of_many_tasks_that_keep_their_wakers_each_is_woken_by_its_own() {
    run(async {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (kept, polls) = <(Rc<RefCell<Option<Waker>>>, Rc<Cell<u32>>)>::default();
                (keeper(&kept, &polls), kept, polls)
            })
            .collect();
        yield_now().await;
        for (which, (_, kept, _)) in tasks.iter().enumerate() {
            let waker = kept.take().expect("each was polled");
            waker.wake();
            yield_now().await;
            let polls: Vec<_> = tasks.iter().map(|(_, _, polls)| polls.get()).collect();
            let expected: Vec<_> = (0..8).map(|task| if task <= which { 2 } else { 1 }).collect();
            assert_eq!(polls, expected);
        }
    });
}

#[test]
fn a_waker_that_only_a_thread_has_kept_wakes_its_task_after_others_were_polled() {
    run(async {
        let (send, receive) = std::sync::mpsc::channel::<Waker>();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let waker = receive.recv().expect("a waker");
            gone.recv().expect("a sign");
            waker.wake();
        });
        let mut polls = 0;
        let waiting = spawn(poll_fn(move |cx| {
            polls += 1;
            if polls == 1 {
                send.send(cx.waker().clone()).expect("the thread waits");
                return Poll::Pending;
            }
            Poll::Ready(polls)
        }));
        yield_now().await;
        // These tasks are polled with wakers too, and no thread wakes them.
        let others: Vec<_> = (0..8).map(|_| spawn(turns(3))).collect();
        for other in others {
            other.await.expect("it ends well");
        }
        go.send(()).expect("the thread waits");
        assert_eq!(waiting.await.expect("it ends well"), 2);
        thread.join().expect("the thread ends well");
    });
}

#[test]
fn a_waker_that_is_used_and_let_go_within_the_poll_wakes_that_task_only() {
    run(async {
        let polls = Rc::new(Cell::new(0));
        let seen = Rc::clone(&polls);
        let idle = spawn(poll_fn(move |_| {
            seen.set(seen.get() + 1);
            Poll::<()>::Pending
        }));
        let mut times = 0;
        let own = spawn(poll_fn(move |cx| {
            times += 1;
            match times {
                1 => cx.waker().wake_by_ref(),
                2 => {
                    let kept = cx.waker().clone();
                    kept.wake();
                }
                3 => std::thread::scope(|scope| {
                    let waker = cx.waker();
                    scope.spawn(|| waker.wake_by_ref());
                }),
                _ => return Poll::Ready(times),
            }
            Poll::Pending
        }));
        assert_eq!(own.await.expect("it ends well"), 4);
        assert_eq!(polls.get(), 1);
        drop(idle);
    });
}

#[test]
fn a_waker_kept_by_a_task_that_panicked_wakes_nobody_else() {
    run(async {
        let kept = Rc::<RefCell<Option<Waker>>>::default();
        let keeps = Rc::clone(&kept);
        // The task's handle is kept, so that no other task gets its seat.
        let panicked = spawn(poll_fn(move |cx| -> Poll<()> {
            keeps.replace(Some(cx.waker().clone()));
            panic!("wanted");
        }));
        let polls = Rc::new(Cell::new(0));
        let count = Rc::clone(&polls);
        // This task is polled next.
        let bystander = spawn(poll_fn(move |_| -> Poll<()> {
            count.set(count.get() + 1);
            Poll::Pending
        }));
        yield_now().await;
        assert!(panicked.is_finished());
        kept.take().expect("it was polled").wake();
        turns(2).await;
        assert_eq!(polls.get(), 1, "a bystander was woken");
        bystander.cancel();
        assert!(panicked.await.unwrap_err().is_panic());
    });
}
