//! Task errors that no code took, and tasks that are woken after they have ended.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use waterwheel::{EventLoop, TaskGroup, gather, get_running_loop, spawn, yield_now};

use crate::common::running::turns;
use crate::told::{told_of, without_lines};

async fn fails() -> io::Result<()> {
    yield_now().await;
    Err(io::Error::other("the disk is full"))
}

#[test]
fn an_error_of_a_task_that_nobody_took_is_reported_with_the_line_that_spawned_it() {
    let told = told_of(async |_| {
        spawn(fails());
        turns(3).await;
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        without_lines(&told[0], file!()),
        "A task failed, and its error was never taken\ndetail: the disk is full\nscheduled at: here"
    );
    let told = told_of(async |_| assert!(spawn(fails()).await.unwrap().is_err()));
    assert_eq!(told, [""; 0]);
}

#[test]
fn it_is_reported_as_well_if_the_task_was_over_before_its_handle_was_dropped() {
    let told = told_of(async |_| {
        let task = spawn(async { "x".parse::<u8>() });
        turns(3).await;
        drop(task);
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("ParseIntError"), "{told:?}");
}

#[test]
fn no_error_is_no_report_and_neither_is_a_task_that_was_cancelled_or_belongs_to_somebody() {
    let told = told_of(async |_| {
        spawn(async { Ok::<(), io::Error>(()) });
        spawn(async { Some(7) });
        let cancelled = spawn(async {
            std::future::pending::<()>().await;
            fails().await
        });
        cancelled.cancel();
        drop(cancelled);
        assert!(gather([fails(), fails()]).await.unwrap().iter().all(|outcome| outcome.is_err()));
        let group = TaskGroup::<io::Error>::run(async |group| {
            group.create_task(fails());
            Ok(())
        });
        assert!(group.await.is_err());
        turns(3).await;
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn outside_of_debug_mode_an_error_that_nobody_took_is_dropped() {
    let mut event_loop = EventLoop::builder().debug(false).build().unwrap();
    event_loop.handle().set_exception_handler(|incident| panic!("{incident}"));
    event_loop.run(async {
        spawn(fails());
        turns(3).await;
    });
}

/// Stores the waker of its task, and ends when it is woken for the first time.
async fn leave_waker(place: Rc<RefCell<Option<Waker>>>) {
    let mut is_first = true;
    poll_fn(|cx| {
        *place.borrow_mut() = Some(cx.waker().clone());
        if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

#[test]
fn a_task_that_is_woken_again_and_again_though_it_is_over_is_reported_once() {
    let told = told_of(async |_| {
        let waker = Rc::default();
        let task = spawn(leave_waker(Rc::clone(&waker)));
        yield_now().await;
        for _ in 0..500 {
            waker.borrow().as_ref().unwrap().wake_by_ref();
            yield_now().await;
        }
        assert!(task.is_finished());
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        without_lines(&told[0], file!()),
        "A task is woken again and again, though it is over\n\
         detail: Task-2, 100 times; a waker is kept after its task has ended\nscheduled at: here"
    );
    // Fixed: the waker is dropped when it is used.
    let told = told_of(async |_| {
        let place: Rc<RefCell<Option<Waker>>> = Rc::default();
        let task = spawn(leave_waker(Rc::clone(&place)));
        yield_now().await;
        for _ in 0..500 {
            let waker = place.borrow_mut().take();
            waker.into_iter().for_each(Waker::wake);
            yield_now().await;
        }
        assert!(task.is_finished());
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn a_live_task_may_be_woken_as_often_as_one_likes() {
    let told = told_of(async |_| {
        let task = spawn(std::future::pending::<()>());
        let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
        let kept = Rc::clone(&waker);
        spawn(poll_fn(move |cx| {
            *kept.borrow_mut() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        yield_now().await;
        for _ in 0..500 {
            waker.borrow().as_ref().unwrap().wake_by_ref();
            waker.borrow().as_ref().unwrap().wake_by_ref();
            yield_now().await;
        }
        assert_eq!(get_running_loop().dump_tasks().tasks.len(), 3);
        task.cancel();
    });
    assert_eq!(told, [""; 0]);
}
