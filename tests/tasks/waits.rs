//! Waiting for the first of several tasks or for all: `wait`, `as_completed`, `race`; and tasks that end with their
//! handles.

use std::future::{Ready, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::common::dropped::Says;
use crate::common::jumping::{after, run};
use crate::common::trace::Trace;
use waterwheel::{Task, Until, as_completed, race, sleep, spawn, timeout, wait, yield_now};

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
                let _teller = Says(told.clone(), "gone");
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
            let _teller = Says(story.clone(), "loser");
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
            let teller = Says(story.clone(), name);
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
fn waiting_for_the_first_of_none_is_refused_and_for_all_of_none_is_over() {
    run(async {
        let mut none: [Task<()>; 0] = [];
        wait(&mut none, Until::All).await;
        let refused = catch_unwind(AssertUnwindSafe(|| drop(wait(&mut none, Until::First)))).unwrap_err();
        assert_eq!(*refused.downcast::<&str>().unwrap(), "wait() for the first of no tasks would never end");
        let nobody: Vec<Ready<()>> = Vec::new();
        let refused = spawn(async { race(nobody).await }).await.unwrap_err();
        assert_eq!(refused.to_string(), "the task panicked: a race of no futures would never end");
        assert!(as_completed(Vec::<Ready<()>>::new()).next().await.is_none());
    });
}

#[test]
fn tasks_are_waited_for_one_after_the_other_until_none_is_left() {
    run(async {
        let mut tasks: Vec<_> = [3, 1, 2, 1].map(|seconds| spawn(after(seconds, seconds))).into();
        let mut ends = Vec::new();
        while !tasks.is_empty() {
            wait(&mut tasks, Until::First).await;
            let (ended, waiting): (Vec<_>, Vec<_>) = tasks.into_iter().partition(Task::is_finished);
            for task in ended {
                ends.push(task.await.unwrap());
            }
            tasks = waiting;
        }
        assert_eq!(ends, [1, 1, 2, 3]);
    });
}
