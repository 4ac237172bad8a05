//! `gather` and `try_gather`: the outputs of several tasks.

use std::cell::Cell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::common::dropped::Says;
use crate::common::jumping::{after, run};
use crate::common::trace::Trace;
use waterwheel::{Promise, TaskFailure, TaskGroup, gather, get_running_loop, sleep, timeout, try_gather, yield_now};

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
            let teller = Says(story.clone(), name);
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
            let teller = Says(story.clone(), "dropped");
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
