//! Several tasks at once: `gather`, `try_gather`, groups, `wait`, `as_completed`, `race`.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::testing::ManualClock;
use waterwheel::{
    EventLoop, JoinError, Promise, TaskFailure, TaskGroup, Until, as_completed, gather, get_running_loop, race, sleep,
    spawn, timeout, try_gather, wait, yield_now,
};

use crate::common::trace::Trace;

/// Says a word when it is dropped.
struct Teller(Trace, String);

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.say(&*self.1);
    }
}

fn says_when_dropped(story: &Trace, word: &str) -> Teller {
    Teller(story.clone(), word.to_owned())
}

/// Runs on a clock that jumps.
fn run<F: Future>(main: F) -> F::Output {
    let mut event_loop = EventLoop::builder().clock(Rc::new(ManualClock::new())).build().unwrap();
    event_loop.handle().set_exception_handler(|incident| panic!("{incident:?}"));
    event_loop.run(main)
}

async fn after<T>(seconds: u64, value: T) -> T {
    sleep(Duration::from_secs(seconds)).await;
    value
}

type Outcome = Result<(), String>;

type Running = Pin<Box<dyn Future<Output = ()>>>;

async fn fail_after(seconds: u64, error: &str) -> Outcome {
    after(seconds, Err(error.to_owned())).await
}

#[test]
fn gather_gives_the_outputs_in_the_order_of_the_futures() {
    run(async {
        assert_eq!(gather([after(3, 'a'), after(1, 'b'), after(2, 'c')]).await.unwrap(), ['a', 'b', 'c']);
        assert!(gather(Vec::<std::future::Ready<()>>::new()).await.unwrap().is_empty());
    });
}

#[test]
fn a_panic_is_what_gather_gives_at_once_and_the_others_go_on() {
    let story = Trace::default();
    run(async {
        let told = story.clone();
        let others = async move |seconds| {
            sleep(Duration::from_secs(seconds)).await;
            assert!(seconds != 1, "the first");
            told.say("ended");
        };
        let others = Rc::new(others);
        let start = |seconds| {
            let others = Rc::clone(&others);
            async move { others(seconds).await }
        };
        let error = gather([1, 2].map(start)).await.unwrap_err();
        assert_eq!(error.to_string(), "the task panicked: the first");
        assert!(story.words().is_empty());
        sleep(Duration::from_secs(5)).await;
        assert_eq!(story.words(), ["ended"]);
    });
}

#[test]
fn a_gather_that_is_dropped_cancels_all() {
    let story = Trace::default();
    run(async {
        let start = |name: &'static str| {
            let teller = says_when_dropped(&story, name);
            async move {
                let _teller = teller;
                pending::<()>().await;
            }
        };
        assert!(timeout(Duration::from_secs(1), gather(["a", "b"].map(start))).await.is_err());
        yield_now().await;
        assert_eq!(story.words(), ["a", "b"]);
    });
}

#[test]
fn the_first_failure_is_what_try_gather_gives_and_cancels_the_rest() {
    let story = Trace::default();
    run(async {
        let all = |second: u64| {
            let teller = says_when_dropped(&story, "dropped");
            let slow = async move {
                let _teller = teller;
                after(3, Ok::<i32, String>(1)).await
            };
            let fast: Pin<Box<dyn Future<Output = Result<i32, String>>>> = Box::pin(async move {
                sleep(Duration::from_secs(second)).await;
                if second == 1 { Err("no".to_owned()) } else { Ok(2) }
            });
            let slow: Pin<Box<dyn Future<Output = Result<i32, String>>>> = Box::pin(slow);
            try_gather([slow, fast])
        };
        assert_eq!(all(2).await.unwrap(), [1, 2]);
        assert_eq!(story.words(), ["dropped"]);
        let failure = all(1).await.unwrap_err();
        assert!(matches!(failure, TaskFailure::Error(error) if error == "no"));
        yield_now().await;
        assert_eq!(story.words().len(), 2);
    });
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
        let (body, sibling) = (says_when_dropped(&story, "body"), says_when_dropped(&story, "sibling"));
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
        let teller = says_when_dropped(&story, "task");
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
                    let teller = says_when_dropped(&told, name);
                    group.create_task(async move {
                        let _teller = teller;
                        // Some of them stand in the queue when the group is dropped, others wait.
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
            // Their places are taken by other tasks, of which each takes its own steps.
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
                let (teller, slot, told) = (says_when_dropped(&told, "dropped"), Rc::clone(&slot), told.clone());
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
        let teller = says_when_dropped(&story, "task");
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
fn tasks_are_waited_for_without_being_taken() {
    run(async {
        let mut tasks = [spawn(after(2, 'a')), spawn(after(1, 'b')), spawn(after(3, 'c'))];
        wait(&mut tasks, Until::First).await;
        assert_eq!(tasks.each_ref().map(|task| task.is_finished()), [false, true, false]);
        assert!(timeout(Duration::from_millis(100), wait(&mut tasks, Until::All)).await.is_err());
        wait(&mut tasks, Until::All).await;
        for (task, expected) in tasks.into_iter().zip(['a', 'b', 'c']) {
            assert_eq!(task.await.unwrap(), expected);
        }
        wait(&mut Vec::<waterwheel::Task<()>>::new(), Until::All).await;
    });
}

#[test]
fn outputs_come_in_the_order_of_the_ends_and_the_rest_is_cancelled() {
    let story = Trace::default();
    run(async {
        let start = |seconds: u64| {
            let told = story.clone();
            async move {
                let _teller = says_when_dropped(&told, "gone");
                after(seconds, seconds).await
            }
        };
        let mut outputs = as_completed([3, 1, 2].map(start));
        assert_eq!(outputs.len(), 3);
        assert!(timeout(Duration::from_millis(1), outputs.next()).await.is_err());
        assert_eq!(outputs.next().await.unwrap().unwrap(), 1);
        assert_eq!(outputs.next().await.unwrap().unwrap(), 2);
        drop(outputs);
        yield_now().await;
        assert_eq!(story.words(), ["gone"; 3]);
    });
}

#[test]
fn the_first_of_several_that_borrow_wins_and_the_others_are_dropped() {
    let story = Trace::default();
    run(async {
        let text = "borrowed".to_owned();
        let lose = async {
            let _teller = says_when_dropped(&story, "loser");
            pending::<&str>().await
        };
        assert_eq!(race((lose, async { after(1, &*text).await }, pending())).await, "borrowed");
        assert_eq!(story.words(), ["loser"]);
        assert_eq!(race([after(3, 3), after(2, 2)]).await, 2);
        assert_eq!(race(vec![after(3, 3), after(4, 4)]).await, 3);
    });
}

#[test]
fn a_task_that_is_to_end_with_its_handle_does() {
    let story = Trace::default();
    run(async {
        let start = |name| {
            let teller = says_when_dropped(&story, name);
            spawn(async move {
                let _teller = teller;
                after(1, 1).await
            })
            .cancel_on_drop()
        };
        drop(start("dropped"));
        yield_now().await;
        assert_eq!(story.words(), ["dropped"]);
        assert_eq!(start("awaited").await.unwrap(), 1);
        let detached = start("detached").detach();
        drop(detached);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(story.words(), ["dropped", "awaited", "detached"]);
    });
}

#[test]
fn a_loop_that_closes_ends_groups_and_gathers() {
    let story = Trace::default();
    let mut event_loop = EventLoop::new().unwrap();
    event_loop.run(async {
        let teller = says_when_dropped(&story, "task");
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
        let teller = says_when_dropped(&story, "gathered");
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
fn a_thousand_tasks_are_gathered_and_grouped() {
    run(async {
        let promise = Promise::new();
        let waiters = (0..1000).map(|n| {
            let promise = promise.clone();
            async move {
                promise.wait().await;
                n
            }
        });
        get_running_loop().call_soon({
            let promise = promise.clone();
            move || promise.set(()).unwrap()
        });
        assert_eq!(gather(waiters).await.unwrap(), (0..1000).collect::<Vec<_>>());
        let count = Rc::new(Cell::new(0));
        TaskGroup::<String>::run(async |group| {
            for _ in 0..1000 {
                let count = Rc::clone(&count);
                group.create_task(async move {
                    count.set(count.get() + 1);
                    Ok(())
                });
            }
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(count.get(), 1000);
    });
}
