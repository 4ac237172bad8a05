//! Futures that wait for tasks, for promises, and for their turn.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use waterwheel::{
    Promise, TaskGroup, Until, as_completed, gather, get_running_loop, race, spawn, to_thread, try_gather, wait,
    yield_now,
};

use super::moments::{Moment, drop_at, drop_many, drop_while};
use super::{Row, rows};
use crate::common::until::until;

pub(super) const ROWS: &[Row] = rows![
    "YieldNow" => async |moment| drop_at(moment, yield_now()).await.is_some(),
    "Promise::wait" => promise,
    "Task" => task,
    "CancelOnDrop" => cancel_on_drop,
    "Gather" => gathered,
    "TryGather" => tried,
    "TaskGroup::run" => group,
    "Wait" => |moment| waited(moment, Until::First),
    "Wait" => |moment| waited(moment, Until::All),
    "AsCompleted::next" => completed,
    "race" => raced,
    "RemoteTask" => remote,
    "ToThread" => |moment| thread(moment, false),
    "ToThread" => |moment| thread(moment, true),
];

/// A promise, and a future that sets it a few turns later.
fn later() -> (Promise<u32>, impl Future<Output = ()> + 'static) {
    let promise = Promise::new();
    let set = promise.clone();
    let cause = async move {
        yield_now().await;
        yield_now().await;
        set.set(7).expect("nobody else sets it");
    };
    (promise, cause)
}

/// A separate future that waits for a promise.
fn waiting(promise: &Promise<u32>) -> impl Future<Output = u32> + 'static {
    let promise = promise.clone();
    async move { promise.wait().await }
}

/// Sets the promise, if it is not set yet.
fn set(promise: &Promise<u32>) {
    let _ = promise.set(7);
}

async fn promise(moment: Moment) -> bool {
    let (promise, cause) = later();
    drop_many(|| promise.wait()).await;
    let dropped = drop_while(moment, promise.wait(), cause).await;
    set(&promise);
    assert_eq!(promise.wait().await, 7);
    dropped.is_some()
}

async fn task(moment: Moment) -> bool {
    let (promise, cause) = later();
    let mut task = spawn(waiting(&promise));
    let dropped = drop_while(moment, &mut task, cause).await;
    let is_done = dropped.is_some();
    set(&promise);
    // The task continues without the future that awaited it.
    let output = match dropped {
        Some(output) => output,
        None => task.await,
    };
    assert_eq!(output.unwrap(), 7);
    is_done
}

/// The tasks of this trial and the next ones end with the dropped future, so nothing sets their promise then.
async fn cancel_on_drop(moment: Moment) -> bool {
    let (promise, cause) = later();
    let output = drop_while(moment, spawn(waiting(&promise)).cancel_on_drop(), cause).await;
    output.map(|output| assert_eq!(output.unwrap(), 7)).is_some()
}

async fn gathered(moment: Moment) -> bool {
    let (promise, cause) = later();
    let outputs = drop_while(moment, gather([waiting(&promise), waiting(&promise)]), cause).await;
    outputs.map(|outputs| assert_eq!(outputs.unwrap(), [7, 7])).is_some()
}

async fn tried(moment: Moment) -> bool {
    let (promise, cause) = later();
    let both = [0, 1].map(|_| {
        let wait = waiting(&promise);
        async { Ok::<u32, ()>(wait.await) }
    });
    let outputs = drop_while(moment, try_gather(both), cause).await;
    outputs.map(|outputs| assert_eq!(outputs.unwrap(), [7, 7])).is_some()
}

async fn group(moment: Moment) -> bool {
    let (promise, cause) = later();
    let held = Rc::new(());
    let run = TaskGroup::<()>::run(async |group| {
        for _ in 0..2 {
            let (wait, held) = (waiting(&promise), Rc::clone(&held));
            group.create_task(async move {
                wait.await;
                drop(held);
                Ok(())
            });
        }
        Ok(promise.wait().await)
    });
    let output = drop_while(moment, run, cause).await;
    assert_eq!(Rc::strong_count(&held), 1, "nothing outlives a group, {moment:?}");
    output.map(|output| assert!(matches!(output, Ok(7)))).is_some()
}

async fn waited(moment: Moment, until: Until) -> bool {
    let (promise, cause) = later();
    let mut tasks = [spawn(waiting(&promise)), spawn(waiting(&promise))];
    let is_done = drop_while(moment, wait(&mut tasks, until), cause).await.is_some();
    set(&promise);
    for task in tasks {
        assert_eq!(task.await.unwrap(), 7);
    }
    is_done
}

async fn completed(moment: Moment) -> bool {
    let (promise, cause) = later();
    let mut tasks = as_completed([waiting(&promise), waiting(&promise)]);
    let first = drop_while(moment, tasks.next(), cause).await;
    set(&promise);
    let mut count = usize::from(first.is_some());
    while let Some(output) = tasks.next().await {
        assert_eq!(output.unwrap(), 7);
        count += 1;
    }
    assert_eq!(count, 2, "{moment:?}");
    first.is_some()
}

async fn raced(moment: Moment) -> bool {
    let (promise, cause) = later();
    let dropped = drop_while(moment, race((promise.wait(), std::future::pending())), cause).await;
    set(&promise);
    assert_eq!(race([promise.wait(), promise.wait()]).await, 7);
    dropped.is_some()
}

/// A remote task continues when it is no longer awaited.
async fn remote(moment: Moment) -> bool {
    let done = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&done);
    let task = get_running_loop().remote().spawn(move || async move {
        yield_now().await;
        tell.store(true, Ordering::Relaxed);
        7
    });
    let output = drop_at(moment, task).await;
    until("the task has run", || done.load(Ordering::Relaxed)).await;
    output.map(|output| assert_eq!(output.unwrap(), 7)).is_some()
}

async fn thread(moment: Moment, by_handle: bool) -> bool {
    let output = match by_handle {
        true => drop_at(moment, get_running_loop().run_in_executor(|| 7)).await,
        false => drop_at(moment, to_thread(|| 7)).await,
    };
    // The pool still works, and is done with the dropped call.
    assert_eq!(to_thread(|| 8).await.unwrap(), 8);
    output.map(|output| assert_eq!(output.unwrap(), 7)).is_some()
}
