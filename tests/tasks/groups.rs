//! Tasks that end together: `TaskGroup`.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::common::dropped::Says;
use crate::common::jumping::{after, run};
use crate::common::trace::Trace;
use waterwheel::{EventLoop, JoinError, TaskGroup, gather, sleep, spawn, yield_now};

type Outcome = Result<(), String>;

type Running = Pin<Box<dyn Future<Output = ()>>>;

async fn fail_after(seconds: u64, error: &str) -> Outcome {
    after(seconds, Err(error.to_owned())).await
}

#[test]
fn a_group_waits_for_all_tasks_also_for_those_that_are_created_meanwhile() {
    let story = Trace::default();
    run(async {
        let told = story.clone();
        let answer = TaskGroup::<String>::run(async |group| {
            let (inner, told) = (group.clone(), told.clone());
            group.create_task(async move {
                sleep(Duration::from_secs(1)).await;
                let later = told.clone();
                inner.create_task(async move {
                    sleep(Duration::from_secs(1)).await;
                    later.say("second");
                    Ok(())
                });
                told.say("first");
                Ok(())
            });
            Ok(7)
        });
        assert_eq!(answer.await.unwrap(), 7);
        assert_eq!(story.words(), ["first", "second"]);
    });
}

#[test]
fn the_first_failure_cancels_the_siblings_and_the_body_and_all_errors_are_in_the_answer() {
    let story = Trace::default();
    run(async {
        let (body, sibling) = (Says(story.clone(), "body"), Says(story.clone(), "sibling"));
        let error = TaskGroup::run(async |group| {
            let _body = body;
            group.create_task(fail_after(1, "one"));
            group.create_task(fail_after(1, "two"));
            group.create_task(async move {
                let _sibling = sibling;
                pending().await
            });
            group.create_task(async {
                sleep(Duration::from_secs(1)).await;
                panic!("three");
            });
            sleep(Duration::from_secs(10)).await;
            Ok(())
        });
        let error = error.await.unwrap_err();
        assert_eq!(error.to_string(), "3 failures in a task group: one; two; the task panicked: three");
        assert_eq!(error.failures().len(), 3);
        assert_eq!(story.words().len(), 2, "{:?}", story.words());
    });
}

#[test]
fn an_error_of_the_body_cancels_the_tasks_and_is_in_the_answer() {
    let story = Trace::default();
    run(async {
        let teller = Says(story.clone(), "task");
        let error = TaskGroup::<String>::run::<()>(async |group| {
            group.create_task(async move {
                let _teller = teller;
                pending().await
            });
            yield_now().await;
            Err("the body".to_owned())
        });
        assert_eq!(error.await.unwrap_err().to_string(), "the body");
        assert_eq!(story.words(), ["task"]);
    });
}

#[test]
fn a_group_that_is_dropped_drops_every_task_before_that_returns() {
    let story = Trace::default();
    run(async {
        for turns in 0..4 {
            let told = story.clone();
            let mut group = Box::pin(TaskGroup::<String>::run(async move |group| {
                for name in ["a", "b", "c"] {
                    let teller = Says(told.clone(), name);
                    group.create_task(async move {
                        let _teller = teller;
                        // Some of the tasks are queued when the group is dropped, and others wait.
                        if name == "c" {
                            return pending().await;
                        }
                        loop {
                            yield_now().await;
                        }
                    });
                }
                pending::<Outcome>().await
            }));
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(group.as_mut().poll(cx).is_pending()));
            assert!(polled.await);
            for _ in 0..turns {
                yield_now().await;
            }
            drop(group);
            let mut words = story.take();
            words.sort();
            assert_eq!(words, ["a", "b", "c"]);
            // Other tasks take the seats of those tasks, and each takes its own steps.
            let steps = Rc::new(Cell::new(0));
            let count = |_| {
                let steps = Rc::clone(&steps);
                async move {
                    for _ in 0..3 {
                        steps.set(steps.get() + 1);
                        yield_now().await;
                    }
                }
            };
            let tasks = gather((0..5).map(count));
            yield_now().await;
            assert_eq!(steps.get(), 5, "each has taken one step");
            tasks.await.unwrap();
            assert_eq!(steps.get(), 15);
        }
    });
}

#[test]
fn a_group_that_is_dropped_from_inside_a_task_of_it_drops_that_one_when_its_step_ends() {
    let story = Trace::default();
    run(async {
        let group: Rc<RefCell<Option<Running>>> = Rc::default();
        let (slot, told) = (Rc::clone(&group), story.clone());
        group.replace(Some(Box::pin(async move {
            let body = async |group: &TaskGroup<String>| {
                let (teller, slot, told) = (Says(told.clone(), "dropped"), Rc::clone(&slot), told.clone());
                group.create_task(async move {
                    let _teller = teller;
                    drop(slot.take());
                    told.say("goes on");
                    yield_now().await;
                    told.say("never");
                    Ok(())
                });
                pending::<Outcome>().await
            };
            let _ = TaskGroup::run(body).await;
        })));
        std::future::poll_fn(|cx| {
            let mut taken = group.take().unwrap();
            let polled = taken.as_mut().poll(cx);
            group.replace(Some(taken));
            assert!(polled.is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        for _ in 0..4 {
            yield_now().await;
        }
        assert_eq!(story.words(), ["goes on", "dropped"]);
    });
}

#[test]
fn a_group_that_is_ending_takes_no_task() {
    run(async {
        let held = RefCell::new(None);
        let error = TaskGroup::<String>::run::<()>(async |group| {
            held.replace(Some(group.clone()));
            group.cancel();
            assert!(!group.try_create_task(async { Ok(()) }));
            let refused =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| group.create_task(async { Ok(()) })));
            assert!(refused.is_err());
            pending().await
        });
        let error = error.await.unwrap_err();
        assert!(error.is_cancelled() && error.to_string() == "the task group was cancelled");
        assert!(!held.take().unwrap().try_create_task(async { Ok(()) }));
    });
}

#[test]
fn a_panic_of_the_body_comes_out_and_the_tasks_are_dropped_before() {
    let story = Trace::default();
    run(async {
        let teller = Says(story.clone(), "task");
        let running = spawn(async move {
            let _ = TaskGroup::<String>::run::<()>(async |group| {
                group.create_task(async move {
                    let _teller = teller;
                    pending().await
                });
                yield_now().await;
                panic!("the body");
            })
            .await;
        });
        assert!(matches!(running.await, Err(JoinError::Panicked(_))));
        assert_eq!(story.words(), ["task"]);
    });
}

#[test]
fn a_loop_that_closes_ends_groups_and_gathers() {
    let story = Trace::default();
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.run(async {
        let teller = Says(story.clone(), "task");
        drop(spawn(async move {
            let _ = TaskGroup::<String>::run::<()>(async |group| {
                group.create_task(async move {
                    let _teller = teller;
                    pending().await
                });
                pending().await
            })
            .await;
        }));
        let teller = Says(story.clone(), "gathered");
        drop(spawn(async move {
            let _teller = teller;
            let _ = gather([pending::<()>()]).await;
        }));
        yield_now().await;
        yield_now().await;
    });
    let handle = event_loop.handle();
    drop(event_loop);
    let mut words = story.words();
    words.sort();
    assert_eq!(words, ["gathered", "task"]);
    assert!(handle.is_closed());
}

#[test]
fn a_group_keeps_nothing_of_tasks_that_have_ended() {
    run(async {
        let answer = TaskGroup::<String>::run(async |group| {
            let tasks = |left: usize| assert!(format!("{group:?}").contains(&format!("tasks: {left},")), "{group:?}");
            for _ in 0..10 {
                group.create_task(after(1, Ok(())));
            }
            tasks(10);
            after(2, ()).await;
            tasks(0);
            Ok(())
        });
        answer.await.unwrap();
    });
}

#[test]
fn a_group_whose_tasks_create_more_for_ever_ends_when_one_fails() {
    fn hydra(group: TaskGroup<String>, heads: Rc<Cell<u32>>) -> Pin<Box<dyn Future<Output = Outcome>>> {
        Box::pin(async move {
            heads.set(heads.get() + 1);
            after(1, ()).await;
            for _ in 0..2 {
                // The group may already be ending.
                group.try_create_task(hydra(group.clone(), Rc::clone(&heads)));
            }
            Ok(())
        })
    }
    run(async {
        let heads = Rc::new(Cell::new(0));
        let error = TaskGroup::run(async |group| {
            group.create_task(hydra(group.clone(), Rc::clone(&heads)));
            group.create_task(fail_after(4, "hercules"));
            Ok(())
        });
        assert_eq!(error.await.unwrap_err().to_string(), "hercules");
        let grown = heads.get();
        assert!(grown >= 15, "{grown}");
        after(5, ()).await;
        assert_eq!(heads.get(), grown);
    });
}
