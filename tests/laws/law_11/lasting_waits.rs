//! Law 11 for objects that are waited for again and again: one server, one sleep, one promise. A wait that is dropped
//! takes nothing from the next one.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::testing::ManualClock;
use waterwheel::{EventLoop, Promise, get_running_loop, sleep, spawn, start_server, timeout, yield_now};

use super::connections::Quiet;
use crate::common::give_up::give_up_after;
use crate::tools::{guarded, run_clean};

pub(super) fn given_up_and_taken_up_again() {
    guarded(|| run_clean(a_server_that_is_waited_for()));
    guarded(sleeps_keep_their_deadline);
    guarded(|| run_clean(promises_and_tasks()));
}

async fn a_server_that_is_waited_for() {
    let handle = get_running_loop();
    let server = handle.create_server(|| Rc::new(Quiet), "127.0.0.1:0").start_serving(false).await.unwrap();
    assert!(give_up_after(1, server.start_serving()).await.is_none());
    assert!(server.is_serving(), "it listens from the first poll on");
    server.start_serving().await.unwrap();
    let address = server.local_addrs()[0];
    let (_transport, _) = handle.create_connection(|| Rc::new(Quiet), address).await.unwrap();
    for polls in 0..5 {
        assert!(give_up_after(polls, server.wait_closed()).await.is_none());
        assert!(server.is_serving());
    }
    // Dropping `serve_forever` closes the server, as documented, and leaves a server that can be waited for.
    assert!(give_up_after(0, server.serve_forever()).await.is_none());
    assert!(server.is_serving(), "it was never polled");
    assert!(give_up_after(2, server.serve_forever()).await.is_none());
    assert!(!server.is_serving());
    server.wait_closed().await;
    assert!(server.serve_forever().await.is_err());
    for polls in 0..5 {
        let server = start_server(async |_, _| {}, "127.0.0.1:0").await.unwrap();
        let stop = std::future::pending::<()>();
        assert!(give_up_after(polls, server.serve_until(stop, Duration::from_secs(600))).await.is_none());
        assert_eq!(server.is_serving(), polls == 0, "{polls} polls");
    }
}

/// By the loop's clock: a dropped sleep takes its timer with it, and one that is polled in turn by different futures
/// ends on time.
fn sleeps_keep_their_deadline() {
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().unwrap();
    event_loop.run(async {
        for polls in 1..5 {
            assert!(give_up_after(polls, sleep(Duration::from_secs(3600))).await.is_none());
        }
    });
    let passed = clock.elapsed();
    event_loop.run(async {
        let mut kept = pin!(sleep(Duration::from_secs(10)));
        for _ in 0..5 {
            assert!(give_up_after(1, kept.as_mut()).await.is_none());
            sleep(Duration::from_secs(1)).await;
        }
        kept.await;
    });
    assert_eq!(clock.elapsed() - passed, Duration::from_secs(10));
    event_loop.run(async {
        assert!(give_up_after(1, sleep(Duration::from_secs(3600))).await.is_none());
        sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(clock.elapsed() - passed, Duration::from_secs(11), "the timer of a dropped sleep is gone");
}

async fn promises_and_tasks() {
    let promise = Promise::new();
    let mut task = spawn({
        let promise = promise.clone();
        async move { promise.wait().await + 1 }
    });
    let other = spawn({
        let promise = promise.clone();
        async move { promise.wait().await }
    });
    for polls in 0..5 {
        assert!(give_up_after(polls, promise.wait()).await.is_none());
        assert!(give_up_after(polls, &mut task).await.is_none());
        yield_now().await;
    }
    promise.set(41).unwrap();
    assert_eq!(promise.wait().await, 41);
    assert_eq!(task.await.unwrap(), 42, "the task went on though its awaiter gave up");
    assert_eq!(other.await.unwrap(), 41);
    // A task that is cancelled while it waits leaves nothing of its wait behind.
    let promise = Promise::<u8>::new();
    let waiting = spawn({
        let promise = promise.clone();
        async move { promise.wait().await }
    });
    yield_now().await;
    waiting.cancel();
    assert!(waiting.await.is_err());
    promise.set(1).unwrap();
    // A combinator may drop a pending half at any time.
    let polled = Rc::new(Cell::new(0));
    let count = Rc::clone(&polled);
    let pending = std::future::poll_fn(move |_| {
        count.set(count.get() + 1);
        std::task::Poll::<()>::Pending
    });
    assert!(timeout(Duration::from_millis(1), pending).await.is_err());
    assert_eq!(polled.get(), 2, "at the beginning, and when the time was over");
}
