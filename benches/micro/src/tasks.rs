//! Tasks: spawning, yielding, waking.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use divan::Bencher;
use divan::counter::ItemsCount;
use waterwheel::{Promise, Task, spawn, yield_now};

use crate::{TIMES, event_loop};

/// Tasks that are spawned and awaited one after the other.
#[divan::bench]
fn spawn_and_await(bencher: Bencher<'_, '_>) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            for n in 0..TIMES {
                assert_eq!(spawn(async move { n }).await.expect("it ends well"), n);
            }
        });
    });
}

/// Tasks that are all spawned before the first is awaited.
#[divan::bench(args = [100, 10_000])]
fn many_spawns(bencher: Bencher<'_, '_>, tasks: usize) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(tasks)).bench_local(|| {
        event_loop.run(async {
            let spawned: Vec<Task<usize>> = (0..tasks).map(|n| spawn(async move { n })).collect();
            for (n, task) in spawned.into_iter().enumerate() {
                assert_eq!(task.await.expect("it ends well"), n);
            }
        });
    });
}

#[divan::bench]
fn spawn_and_cancel(bencher: Bencher<'_, '_>) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            for _ in 0..TIMES {
                let task = spawn(pending::<()>());
                task.cancel();
                task.await.expect_err("it was cancelled");
            }
        });
    });
}

/// Tasks that only yield.
#[divan::bench(name = "yield", args = [1, 100])]
fn yields(bencher: Bencher<'_, '_>, tasks: usize) {
    let mut event_loop = event_loop();
    let share = 10 * TIMES / tasks;
    bencher.counter(ItemsCount::new(share * tasks)).bench_local(|| {
        event_loop.run(async {
            let yielding = || async move {
                for _ in 0..share {
                    yield_now().await;
                }
            };
            let spawned: Vec<Task<()>> = (0..tasks).map(|_| spawn(yielding())).collect();
            for task in spawned {
                task.await.expect("it ends well");
            }
        });
    });
}

/// Two tasks that wake each other with the wakers that they were polled with, as futures of other crates do.
#[divan::bench]
fn wake_by_waker(bencher: Bencher<'_, '_>) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(2 * TIMES)).bench_local(|| {
        event_loop.run(async {
            let table = Rc::new(Table::default());
            let sides = [0, 1].map(|me| {
                let table = Rc::clone(&table);
                spawn(async move {
                    for _ in 0..TIMES {
                        table.pass(me).await;
                    }
                })
            });
            for side in sides {
                side.await.expect("it ends well");
            }
        });
    });
}

/// Two tasks, each of which sets a promise that the other awaits.
#[divan::bench]
fn wake_by_promise(bencher: Bencher<'_, '_>) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(2 * TIMES)).bench_local(|| {
        event_loop.run(async {
            let promises: Rc<[[Promise<()>; 2]]> = (0..TIMES).map(|_| [Promise::new(), Promise::new()]).collect();
            let asked = Rc::clone(&promises);
            let answering = spawn(async move {
                for [question, answer] in &*asked {
                    question.wait().await;
                    answer.set(()).expect("it is set once");
                }
            });
            for [question, answer] in &*promises {
                question.set(()).expect("it is set once");
                answer.wait().await;
            }
            answering.await.expect("it ends well");
        });
    });
}

/// Whose turn it is, and the waker of the side that waits for its turn.
#[derive(Default)]
struct Table {
    turn: Cell<usize>,
    wakers: [RefCell<Option<Waker>>; 2],
}

impl Table {
    /// Waits for the turn of side `me`, and passes the turn to the other side.
    async fn pass(&self, me: usize) {
        poll_fn(|cx| {
            if self.turn.get() == me {
                return Poll::Ready(());
            }
            *self.wakers[me].borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        self.turn.set(1 - me);
        let other = self.wakers[1 - me].borrow_mut().take();
        if let Some(other) = other {
            other.wake();
        }
    }
}
