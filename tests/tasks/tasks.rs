//! Tasks: how they start, end, panic and are awaited.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::task::Poll;

use crate::common::running::{run, turns};
use crate::common::trace::Trace;
use waterwheel::{EventLoop, JoinError, Task, Until, get_running_loop, sleep, spawn, wait, yield_now};

#[test]
fn a_task_begins_in_the_next_turn_in_line_with_callbacks() {
    run(async {
        let trace = Trace::default();
        let said = trace.clone();
        let task = spawn(async move {
            said.say("task begins");
            yield_now().await;
            said.say("task ends");
        });
        let said = trace.clone();
        get_running_loop().call_soon(move || said.say("callback"));
        trace.say("main");
        task.await.unwrap();
        assert_eq!(trace.words(), ["main", "task begins", "callback", "task ends"]);
    });
}

#[test]
fn awaiting_takes_as_many_turns_as_in_asyncio() {
    /// How many turns pass while `body` runs.
    async fn turns_of(body: impl Future<Output = ()>) -> u32 {
        let count = Rc::new(Cell::new(0));
        let ticking = Rc::clone(&count);
        let ticker = spawn(async move {
            loop {
                ticking.set(ticking.get() + 1);
                yield_now().await;
            }
        });
        yield_now().await;
        let before = count.get();
        body.await;
        let passed = count.get() - before;
        ticker.cancel();
        passed
    }
    run(async {
        assert_eq!(turns_of(async {}).await, 0);
        assert_eq!(turns_of(yield_now()).await, 1);
        assert_eq!(turns_of(sleep(std::time::Duration::ZERO)).await, 1);
        assert_eq!(turns_of(async { spawn(async {}).await.unwrap() }).await, 2);
        let finished = spawn(async {});
        turns(2).await;
        assert_eq!(turns_of(async { finished.await.unwrap() }).await, 0);
    });
}

#[test]
fn a_task_gives_its_result_once_and_may_be_awaited_by_reference() {
    run(async {
        let mut task = spawn(async { String::from("result") });
        assert!(!task.is_finished());
        assert_eq!((&mut task).await.unwrap(), "result");
        assert!(task.is_finished());
        let again = catch_unwind(AssertUnwindSafe(|| {
            drop(std::pin::Pin::new(&mut task).poll(&mut std::task::Context::from_waker(std::task::Waker::noop())));
        }));
        assert!(again.is_err());
    });
}

#[test]
fn giving_up_on_awaiting_a_task_loses_nothing() {
    run(async {
        let mut task = spawn(async {
            turns(10).await;
            7
        });
        for _ in 0..3 {
            assert!(waterwheel::timeout(std::time::Duration::ZERO, &mut task).await.is_err());
        }
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn dropping_a_task_detaches_it() {
    run(async {
        let trace = Trace::default();
        let said = trace.clone();
        drop(spawn(async move {
            turns(3).await;
            said.say("done");
        }));
        turns(6).await;
        assert_eq!(trace.words(), ["done"]);
    });
}

#[test]
fn a_task_may_hold_its_own_handle() {
    run(async {
        let alive = Rc::new(());
        let own: Rc<RefCell<Option<Task<()>>>> = Rc::default();
        let (itself, captured) = (Rc::clone(&own), Rc::clone(&alive));
        let task = spawn(async move {
            yield_now().await;
            let _task = itself.take();
            let _captured = captured;
            yield_now().await;
        });
        own.replace(Some(task));
        drop(own);
        turns(5).await;
        assert_eq!(Rc::strong_count(&alive), 1);
    });
}

#[test]
fn a_task_that_awaits_itself_panics_instead_of_waiting_for_ever() {
    run(async {
        let reported = Trace::of_incidents();
        let own: Rc<RefCell<Option<Task<()>>>> = Rc::default();
        let itself = Rc::clone(&own);
        own.replace(Some(spawn(async move {
            let task = itself.take().unwrap();
            drop(task.await);
        })));
        turns(3).await;
        assert_eq!(reported.words(), ["a task that awaits itself would never end"]);
        let itself = Rc::clone(&own);
        own.replace(Some(spawn(async move {
            let mut task = [itself.take().unwrap()];
            wait(&mut task, Until::All).await;
        })));
        turns(3).await;
        assert_eq!(reported.words().len(), 2, "{:?}", reported.words());
    });
}

#[test]
fn tasks_have_names() {
    run(async {
        let task = spawn(async {});
        assert!(task.name().starts_with("Task-"), "{}", task.name());
        task.set_name("pump");
        assert_eq!(task.name(), "pump");
        assert!(format!("{task:?}").contains("pump"), "{task:?}");
        let other = spawn(async {});
        assert_ne!(other.name(), "pump");
        task.await.unwrap();
        turns(2).await;
        // The name belongs to the task, and does not pass to the next task in its seat.
        assert!(spawn(async {}).name().starts_with("Task-"));
    });
}

#[test]
fn a_panic_is_kept_for_who_awaits_the_task() {
    run(async {
        let incidents = Trace::of_incidents();
        let error = spawn(async { panic!("kept") }).await.unwrap_err();
        assert!(error.is_panic());
        assert_eq!(error.to_string(), "the task panicked: kept");
        let error = spawn(async { panic_any(7_u32) }).await.unwrap_err();
        let JoinError::Panicked(payload) = error else { panic!("{error:?}") };
        assert_eq!(payload.into_inner().downcast_ref(), Some(&7_u32));
        let error = spawn(async { panic_any(8_u32) }).await.unwrap_err();
        assert_eq!(error.into_panic().downcast_ref(), Some(&8_u32));
        assert!(incidents.words().is_empty());
    });
}

#[test]
fn a_panic_that_nobody_awaits_is_reported_with_the_line_that_spawned_the_task() {
    run(async {
        let trace = Trace::default();
        let said = trace.clone();
        get_running_loop().set_debug(false); // The speed of the machine does not matter here.
        get_running_loop().set_exception_handler(move |incident| {
            let location = incident.location().expect("where it was spawned");
            assert!(location.file().ends_with("tasks.rs"), "{location}");
            said.say(format!("{} in line {}", incident.panic().unwrap(), location.line()));
        });
        let line = line!() + 1;
        drop(spawn(async { panic!("detached") }));
        turns(2).await;
        assert_eq!(trace.take(), [format!("detached in line {line}")]);
        // The same if the handle is dropped later without having been awaited.
        let line = line!() + 1;
        let task = spawn(async { panic!("dropped later") });
        turns(2).await;
        assert!(trace.words().is_empty());
        drop(task);
        assert_eq!(trace.take(), [format!("dropped later in line {line}")]);
    });
}

#[test]
fn main_may_borrow_from_the_stack() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut numbers = vec![1, 2, 3];
    let text = String::from("borrowed");
    let length = event_loop.run(async {
        yield_now().await;
        numbers.push(4);
        text.len()
    });
    assert_eq!((length, numbers), (8, vec![1, 2, 3, 4]));
}

#[test]
fn a_panic_in_main_comes_out_and_the_loop_is_usable_again() {
    let mut event_loop = EventLoop::new().unwrap();
    let trace = Trace::default();
    let said = trace.clone();
    let task = event_loop.handle().create_task(async move {
        turns(5).await;
        said.say("task done");
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        event_loop.run(async {
            yield_now().await;
            panic_any("out of main");
        });
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"out of main"));
    assert!(waterwheel::try_get_running_loop().is_none());
    assert_eq!(event_loop.run(async { 7 }), 7);
    event_loop.run(task).unwrap();
    assert_eq!(trace.words(), ["task done"]);
}

#[test]
fn a_future_that_wakes_itself_several_times_is_polled_once_a_turn() {
    run(async {
        let polls = Rc::new(Cell::new(0));
        let counted = Rc::clone(&polls);
        let task = spawn(poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            for _ in 0..5 {
                cx.waker().wake_by_ref();
            }
            if counted.get() == 10 { Poll::Ready(()) } else { Poll::Pending }
        }));
        yield_now().await;
        for turn in 1..10 {
            assert_eq!(polls.get(), turn);
            yield_now().await;
        }
        task.await.unwrap();
        turns(3).await;
        assert_eq!(polls.get(), 10);
    });
}
