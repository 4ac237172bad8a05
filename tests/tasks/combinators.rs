//! Futures of the loop in combinators of other crates, which poll with wakers of their own.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::common::jumping;
use crate::common::running::{run, turns};
use crate::common::trace::Trace;
use waterwheel::{Promise, StreamReader, sleep, spawn, timeout, yield_now};

type Part<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Polls only the futures whose flags were raised, as combinators of other crates do.
struct Joined<'a> {
    parts: Vec<(Option<Part<'a>>, Arc<Flag>)>,
}

struct Flag {
    raised: AtomicBool,
    outer: Mutex<Option<Waker>>,
    wakes: AtomicUsize,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.raised.store(true, Ordering::SeqCst);
        self.wakes.fetch_add(1, Ordering::SeqCst);
        if let Some(outer) = self.outer.lock().unwrap().take() {
            outer.wake();
        }
    }
}

fn join(parts: Vec<Part<'_>>) -> Joined<'_> {
    let flag = || Arc::new(Flag { raised: true.into(), outer: Mutex::default(), wakes: 0.into() });
    Joined { parts: parts.into_iter().map(|part| (Some(part), flag())).collect() }
}

impl Future for Joined<'_> {
    type Output = usize;

    /// Returns how many wakes there were in all.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let mut all_done = true;
        for (part, flag) in &mut self.parts {
            let Some(future) = part else { continue };
            flag.outer.lock().unwrap().replace(cx.waker().clone());
            let done = flag.raised.swap(false, Ordering::SeqCst)
                && future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(flag)))).is_ready();
            if done {
                *part = None;
            } else {
                all_done = false;
            }
        }
        if !all_done {
            return Poll::Pending;
        }
        Poll::Ready(self.parts.iter().map(|(_, flag)| flag.wakes.load(Ordering::SeqCst)).sum())
    }
}

/// The output of the future that is ready first. The other one is dropped.
async fn select<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(output),
        Poll::Pending => other.as_mut().poll(cx),
    })
    .await
}

#[test]
fn every_leaf_future_wakes_through_a_foreign_combinator() {
    // On this clock the sleep ends when nothing else is left to do, however slow the machine is.
    jumping::run(async {
        let (mut reader, feeder) = StreamReader::new(1024);
        let promise = Promise::new();
        let trace = Trace::default();
        let task = spawn(async { turns(5).await });
        let setter = promise.clone();
        let said = |word: &'static str| trace.say(word);
        let wakes = join(vec![
            Box::pin(async {
                sleep(Duration::from_millis(2)).await;
                said("slept");
                feeder.feed_data(b"x");
            }),
            Box::pin(async {
                reader.read(1).await.unwrap();
                said("read");
                setter.set(()).unwrap();
            }),
            Box::pin(async {
                promise.wait().await;
                said("kept");
            }),
            Box::pin(async {
                task.await.unwrap();
                said("joined");
            }),
            Box::pin(async {
                yield_now().await;
                said("yielded");
            }),
            Box::pin(async {
                let (mut reader, writer, peer) = crate::common::sockets::streams(1024).await;
                std::io::Write::write_all(&mut &peer, b"x").unwrap();
                reader.read(1).await.unwrap();
                writer.close();
                writer.wait_closed().await.unwrap();
            }),
        ])
        .await;
        assert!(wakes >= 6, "each part was woken: {wakes}");
        assert_eq!(trace.words(), ["yielded", "joined", "slept", "read", "kept"]);
    });
}

#[test]
fn select_drops_the_loser_and_leaves_its_source_usable() {
    run(async {
        let (mut reader, feeder) = StreamReader::new(1024);
        feeder.feed_data(b"ab");
        let read = async { reader.readexactly(4).await.unwrap() };
        assert_eq!(
            select(read, async {
                turns(2).await;
                b"gave up".to_vec()
            })
            .await,
            b"gave up"
        );
        feeder.feed_data(b"cd");
        assert_eq!(select(reader.readexactly(4), pending()).await.unwrap(), b"abcd");
    });
}

#[test]
fn a_future_that_moves_to_another_task_while_it_waits_wakes_that_one() {
    jumping::run(async {
        let promise = Promise::new();
        let waiting = promise.clone();
        let mut wait: Pin<Box<dyn Future<Output = u32>>> = Box::pin(async move { waiting.wait().await });
        assert!(timeout(Duration::ZERO, &mut wait).await.is_err());
        let mut sleeping = Box::pin(sleep(Duration::from_millis(2)));
        assert!(timeout(Duration::ZERO, &mut sleeping).await.is_err());
        let task = spawn(async move {
            sleeping.await;
            wait.await
        });
        turns(2).await;
        promise.set(7).unwrap();
        assert_eq!(task.await.unwrap(), 7);
    });
}

thread_local! {
    static KEPT_BY_A_DROP: RefCell<Option<Promise<u32>>> = const { RefCell::new(None) };
}

#[test]
fn the_destructor_of_a_foreign_waker_may_do_anything() {
    struct Setting;
    impl Wake for Setting {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Setting {
        fn drop(&mut self) {
            if let Some(promise) = KEPT_BY_A_DROP.take() {
                promise.set(7).unwrap();
            }
        }
    }
    run(async {
        let promise = Promise::new();
        KEPT_BY_A_DROP.set(Some(promise.clone()));
        let mut wait = pin!(promise.wait());
        let first = Waker::from(Arc::new(Setting));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&first)).is_pending());
        drop(first);
        // The next waker replaces the last clone of the first one, whose destructor sets the promise.
        assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(wait.await, 7);
    });
}

#[test]
fn a_foreign_waker_that_panics_keeps_nobody_else_from_being_woken() {
    struct Panicking;
    impl std::task::Wake for Panicking {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    run(async {
        let promise = Promise::new();
        let waits = promise.clone();
        let foreign = std::task::Waker::from(Arc::new(Panicking));
        let mut first = Box::pin(waits.wait());
        assert!(first.as_mut().poll(&mut Context::from_waker(&foreign)).is_pending());
        let waits = promise.clone();
        let second = spawn(async move { waits.wait().await });
        turns(2).await;
        promise.set(7).unwrap();
        assert_eq!(second.await.unwrap(), 7);
    });
}

#[test]
fn a_leaf_future_that_is_polled_with_a_clone_of_its_tasks_waker_is_woken() {
    /// Polls the future with a clone of its task's waker, which has a different address in every poll.
    async fn by_clones<T>(future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let clone = Box::new(cx.waker().clone());
            future.as_mut().poll(&mut Context::from_waker(&clone))
        })
        .await
    }
    run(async {
        let (mut reader, feeder) = StreamReader::new(1024);
        let promise = Promise::new();
        let setter = promise.clone();
        let feeding = spawn(async move {
            turns(2).await;
            feeder.feed_data(b"one");
            turns(2).await;
            feeder.feed_data(b"two");
            turns(2).await;
            setter.set(3).unwrap();
        });
        assert_eq!(by_clones(reader.readexactly(3)).await.unwrap(), b"one");
        assert_eq!(reader.readexactly(3).await.unwrap(), b"two");
        assert_eq!(by_clones(promise.wait()).await, 3);
        by_clones(feeding).await.unwrap();
        by_clones(sleep(Duration::from_millis(1))).await;
    });
}
