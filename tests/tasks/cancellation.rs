//! Cancelling a task: the rules in the documentation of `Task::cancel`, in their order.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use crate::common::dropped::Says;
use crate::common::running::{run, turns};
use crate::common::trace::Trace;
use waterwheel::{JoinError, Task, get_running_loop, spawn, yield_now};

#[test]
fn a_task_cancelled_before_its_first_step_never_begins() {
    run(async {
        let trace = Trace::default();
        let (captured, said) = (Says(trace.clone(), "dropped"), trace.clone());
        let task = spawn(async move {
            let _captured = captured;
            said.say("never said");
        });
        task.cancel();
        assert!(!task.is_finished());
        assert!(matches!(task.await, Err(JoinError::Cancelled)));
        assert_eq!(trace.words(), ["dropped"]);
    });
}

#[test]
fn cancelling_drops_the_future_where_it_waits_in_the_next_turn() {
    run(async {
        let trace = Trace::default();
        let local = trace.clone();
        let task = spawn(async move {
            let _outer = Says(local.clone(), "outer dropped");
            let _inner = Says(local, "inner dropped");
            pending::<()>().await;
        });
        turns(2).await;
        task.cancel();
        task.cancel();
        trace.say("cancel returned");
        let error = task.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.to_string(), "the task was cancelled");
        assert_eq!(trace.words(), ["cancel returned", "inner dropped", "outer dropped"]);
    });
}

#[test]
fn a_task_that_cancels_itself_ends_where_it_next_waits() {
    run(async {
        let trace = Trace::default();
        let own: Rc<RefCell<Option<Task<()>>>> = Rc::default();
        let (itself, said) = (Rc::clone(&own), trace.clone());
        own.replace(Some(spawn(async move {
            itself.borrow().as_ref().unwrap().cancel();
            said.say("goes on");
            yield_now().await;
            said.say("never said");
        })));
        turns(3).await;
        let task = own.take().unwrap();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(trace.words(), ["goes on"]);
    });
}

#[test]
fn a_task_that_is_done_stays_done_when_it_is_cancelled() {
    run(async {
        let task = spawn(async { 7 });
        turns(2).await;
        assert!(task.is_finished());
        task.cancel();
        turns(2).await;
        assert_eq!(task.await.unwrap(), 7);
        // Cancelled and done in the same step.
        let own: Rc<RefCell<Option<Task<u32>>>> = Rc::default();
        let itself = Rc::clone(&own);
        own.replace(Some(spawn(async move {
            itself.borrow().as_ref().unwrap().cancel();
            8
        })));
        turns(2).await;
        let task = own.take().unwrap();
        assert_eq!(task.await.unwrap(), 8);
    });
}

#[test]
fn what_a_cancelled_wait_was_about_to_get_stays_where_it_is() {
    run(async {
        let promise = waterwheel::Promise::new();
        let waiting = promise.clone();
        let task = spawn(async move { waiting.wait().await });
        turns(2).await;
        promise.set(7).unwrap();
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(promise.wait().await, 7);
    });
}

#[test]
fn a_destructor_that_panics_while_its_task_is_cancelled_is_reported() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("boom");
        }
    }
    run(async {
        let incidents = Trace::of_incidents();
        let task = spawn(async {
            let _bomb = Bomb;
            pending::<()>().await;
        });
        turns(2).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(incidents.words(), ["boom"]);
    });
}

#[test]
fn what_a_cancelled_task_spawned_goes_on_and_its_destructors_can_spawn() {
    struct SpawnsOnDrop(Trace);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            let said = self.0.clone();
            said.say("destructor");
            drop(spawn(async move { said.say("spawned by the destructor") }));
        }
    }
    run(async {
        let trace = Trace::default();
        let local = trace.clone();
        let task = spawn(async move {
            let _clean_up = SpawnsOnDrop(local.clone());
            let (of_child, of_held) = (local.clone(), local.clone());
            drop(spawn(async move {
                turns(4).await;
                of_child.say("child");
            }));
            let _held = spawn(async move {
                let _dropped = Says(of_held, "held child dropped");
                pending::<()>().await;
            })
            .cancel_on_drop();
            pending::<()>().await;
        });
        turns(2).await;
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        turns(6).await;
        let mut words = trace.words();
        assert_eq!(words.first().map(|word| &word[..]), Some("destructor"));
        words.sort_unstable();
        assert_eq!(words, ["child", "destructor", "held child dropped", "spawned by the destructor"]);
    });
}

#[test]
fn tasks_that_are_left_when_the_program_ends_are_cancelled_and_their_destructors_run() {
    let trace = Trace::default();
    let said = trace.clone();
    waterwheel::run(async move {
        let (later, captured) = (said.clone(), Says(said.clone(), "task dropped"));
        drop(spawn(async move {
            let _captured = captured;
            let _later = Scheduling(later);
            pending::<()>().await;
        }));
        turns(2).await;
        said.say("main done");
    });
    assert_eq!(trace.words(), ["main done", "task dropped", "scheduled by a destructor"]);

    struct Scheduling(Trace);
    impl Drop for Scheduling {
        fn drop(&mut self) {
            let said = self.0.clone();
            get_running_loop().call_soon(move || said.say("scheduled by a destructor"));
        }
    }
}
