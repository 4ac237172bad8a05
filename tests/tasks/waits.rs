//! Waiting for the first of several or for all: `wait`, `as_completed`, `race`; and tasks that end with their handles.

use std::future::pending;
use std::time::Duration;

use crate::common::dropped::Says;
use crate::common::jumping::{after, run};
use crate::common::trace::Trace;
use waterwheel::{Until, as_completed, race, sleep, spawn, timeout, wait, yield_now};

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
