//! Callbacks: from this thread and from others.

use divan::Bencher;
use divan::counter::ItemsCount;
use waterwheel::{get_running_loop, yield_now};

use crate::{TIMES, event_loop};

/// Callbacks that are scheduled together, and run in the next turn.
#[divan::bench]
fn call_soon(bencher: Bencher<'_, '_>) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            let handle = get_running_loop();
            for n in 0..TIMES {
                handle.call_soon(move || divan::black_box_drop(n));
            }
            yield_now().await;
        });
    });
}

#[divan::bench]
fn call_soon_and_cancel(bencher: Bencher<'_, '_>) {
    let mut event_loop = event_loop();
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            let handle = get_running_loop();
            for n in 0..TIMES {
                handle.call_soon(move || panic!("{n} was cancelled")).cancel();
            }
            yield_now().await;
        });
    });
}

/// Scheduled as by another thread: through the mailbox, whose bell rings once.
#[divan::bench]
fn remote_call_soon(bencher: Bencher<'_, '_>) {
    let mut event_loop = event_loop();
    let remote = event_loop.handle().remote();
    bencher.counter(ItemsCount::new(TIMES)).bench_local(|| {
        event_loop.run(async {
            for n in 0..TIMES {
                remote.call_soon(move || divan::black_box_drop(n));
            }
            yield_now().await;
        });
    });
}
