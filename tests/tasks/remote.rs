//! Tasks that other threads start with `RemoteHandle::spawn`.

use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, mpsc};
use std::thread;

use waterwheel::{EventLoop, JoinError, RemoteHandle, get_running_loop, yield_now};

use crate::common::running::run;

/// Runs a loop while another thread uses its handle, and returns what that thread returns.
fn beside<T: Send + 'static>(other: impl FnOnce(RemoteHandle) -> T + Send + 'static) -> T {
    run(async {
        let remote = get_running_loop().remote();
        let other = thread::spawn(move || other(remote));
        while !other.is_finished() {
            yield_now().await;
        }
        other.join().unwrap()
    })
}

#[test]
fn the_output_goes_back_and_the_future_never_leaves_the_loop() {
    let output = beside(|remote| {
        let (tell, told) = channel();
        let task = remote.spawn(move || async move {
            let here = Rc::new(Cell::new(1));
            tell.send(thread::current().id()).unwrap();
            yield_now().await;
            here.set(here.get() + 1);
            here.get()
        });
        assert_ne!(told.recv().unwrap(), thread::current().id());
        task.wait().unwrap()
    });
    assert_eq!(output, 2);
}

#[test]
fn panics_of_the_maker_and_of_the_future_go_back() {
    beside(|remote| {
        let make = || -> std::future::Ready<()> { panic!("in the maker") };
        assert_eq!(remote.spawn(make).wait().unwrap_err().to_string(), "the task panicked: in the maker");
        let task = remote.spawn(|| async { panic!("in the future") });
        let error: JoinError = task.wait().unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: in the future");
    });
}

struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_cancelled_task_is_dropped_on_the_loop_and_says_so() {
    beside(|remote| {
        let dropped = Arc::new(AtomicBool::new(false));
        let flag = Flag(Arc::clone(&dropped));
        let (tell, told) = channel();
        let task = remote.spawn(move || async move {
            let _flag = flag;
            tell.send(()).unwrap();
            pending::<()>().await;
        });
        told.recv().unwrap();
        assert!(!task.is_finished());
        task.cancel();
        assert!(task.wait().unwrap_err().is_cancelled());
        assert!(dropped.load(Ordering::SeqCst), "its future is dropped before that is told");
    });
}

#[test]
fn a_task_whose_handle_is_dropped_goes_on() {
    beside(|remote| {
        let (tell, told) = channel();
        drop(remote.spawn(move || async move {
            yield_now().await;
            tell.send(7).unwrap();
        }));
        assert_eq!(told.recv().unwrap(), 7);
    });
}

#[test]
fn a_loop_that_is_closed_cancels_it() {
    let (remote, task) = {
        let event_loop = EventLoop::new().unwrap();
        let remote = event_loop.handle().remote();
        let sent = remote.clone();
        // The task is in the mailbox when the loop closes.
        let task = thread::spawn(move || sent.spawn(pending::<()>)).join().unwrap();
        assert!(!task.is_finished());
        (remote, task)
    };
    assert!(task.wait().unwrap_err().is_cancelled());
    assert!(remote.spawn(|| async {}).wait().unwrap_err().is_cancelled());
}

#[test]
fn it_is_awaited_on_another_loop_and_blocks_none() {
    beside(|remote| {
        let (tell, told) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let output = waterwheel::run(async move {
            let task = remote.spawn(move || async move {
                tell.send(()).unwrap();
                while held.try_recv().is_err() {
                    yield_now().await;
                }
                5
            });
            told.recv().unwrap();
            let blocked = remote.spawn(|| async {});
            assert!(catch_unwind(AssertUnwindSafe(|| blocked.wait())).is_err(), "a loop runs on this thread");
            release.send(()).unwrap();
            task.await.unwrap()
        });
        assert_eq!(output, 5);
    });
}

#[test]
fn four_threads_start_thousands() {
    let sums = beside(|remote| {
        let threads: Vec<_> = (0..4_u64)
            .map(|_| {
                let remote = remote.clone();
                thread::spawn(move || {
                    let tasks: Vec<_> = (0..2_000_u64).map(|n| remote.spawn(move || async move { n })).collect();
                    tasks.into_iter().map(|task| task.wait().unwrap()).sum::<u64>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(sums, [1_999_000; 4]);
}
