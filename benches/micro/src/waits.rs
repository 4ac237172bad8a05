//! Giving up a wait, and waiting for a descriptor, next to many others.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use divan::Bencher;
use divan::counter::ItemsCount;
use waterwheel::{Promise, Protocol, StreamReader, get_running_loop, spawn, yield_now};

use crate::{TIMES, event_loop};

/// What servers do for every connection: `select(read, stop.wait())`, in which the read ends and the wait is given up.
/// `others` tasks wait for the same promise.
#[divan::bench(args = [10, 1_000, 100_000])]
fn give_up_beside(bencher: Bencher<'_, '_>, others: usize) {
    let mut event_loop = event_loop();
    let stop = Promise::<()>::new();
    event_loop.run(async {
        for _ in 0..others {
            let stop = stop.clone();
            drop(spawn(async move { stop.wait().await }));
        }
        yield_now().await;
    });
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            let (mut reader, feeder) = StreamReader::new(64 * 1024);
            for _ in 0..TIMES {
                let read = async {
                    reader.read(1).await.expect("it is fed");
                };
                let mut read = pin!(read);
                let mut stopped = pin!(stop.wait());
                let asked = Cell::new(false);
                poll_fn(|cx| {
                    if read.as_mut().poll(cx).is_ready() || stopped.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    assert!(!asked.replace(true), "the first wait is the only one");
                    feeder.feed_data(b"x");
                    Poll::Pending
                })
                .await;
            }
        });
    });
}

/// Many waits begin, and each is given up separately; from the first to the last.
#[divan::bench(args = [10, 1_000, 100_000])]
fn arrive_and_give_up(bencher: Bencher<'_, '_>, waiters: usize) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(waiters)).bench_local(|| {
        event_loop.run(async {
            let stop = Promise::<()>::new();
            let mut waits: Vec<_> = (0..waiters).map(|_| Box::pin(stop.wait())).collect();
            poll_fn(|cx| {
                waits.iter_mut().for_each(|wait| assert!(wait.as_mut().poll(cx).is_pending()));
                Poll::Ready(())
            })
            .await;
            drop(waits);
        });
    });
}

/// All tasks begin to wait and are woken together; from the first wait to the last wake.
#[divan::bench(args = [10, 1_000, 100_000])]
fn wake_all(bencher: Bencher<'_, '_>, waiters: usize) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(waiters)).bench_local(|| {
        event_loop.run(async {
            let stop = Promise::<()>::new();
            let waiting = |_| {
                let stop = stop.clone();
                spawn(async move { stop.wait().await })
            };
            let tasks: Vec<_> = (0..waiters).map(waiting).collect();
            yield_now().await;
            stop.set(()).expect("it is set once");
            for task in tasks {
                task.await.expect("it ends well");
            }
        });
    });
}

/// A protocol that ignores all calls.
#[derive(Debug)]
struct Idle;

impl Protocol for Idle {}

/// Waiting for a user's own descriptor that is ready, next to idle connections: each wait watches the descriptor,
/// looks up its owner, and unwatches it. The cost of the system calls does not depend on the number of connections.
#[divan::bench(args = [10, 1_000, 8_000])]
fn readable_beside(bencher: Bencher<'_, '_>, connections: usize) {
    let mut event_loop = event_loop();
    let peers = event_loop.run(async {
        let mut peers = Vec::new();
        for _ in 0..connections {
            let (near, far) = UnixStream::pair().expect("descriptors are left: each connection takes two");
            get_running_loop().create_connection(|| Rc::new(Idle), near).await.expect("it is connected");
            peers.push(far);
        }
        peers
    });
    let (watched, mut other) = UnixStream::pair().expect("descriptors are left");
    std::io::Write::write_all(&mut other, b"x").expect("there is room");
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            let handle = get_running_loop();
            for _ in 0..TIMES {
                handle.readable(&watched).await.expect("it can be watched");
            }
        });
    });
    drop(peers);
}
