//! What other threads do to a loop, in every order in which they may interleave, checked by loom.
//!
//! The crate under test is built from waterwheel's own sources; only its locks, atomics and threads are loom's,
//! through `tests/loom/sync.rs`. So a model runs real loops, tasks and handles. Three things are not modelled. The
//! reference counts are std's, since a `std::task::Waker` is made from std's `Arc`: loom does not try other orders
//! around them, and does not see the fence in `LentWaker::is_kept`, which belongs to such a count. The selector and
//! its bell are a lock and a condition variable (`house`). And a wait with a timeout never times out.
//!
//! After a lost wake-up a loop sleeps for ever, which loom reports as a deadlock. The report may abort the whole
//! process, since the model is dropped while its threads hold locks; the first panic is the one to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

mod closing;
mod house;
mod remote;
mod threads;
mod wakes;

/// How many times in a run a thread is preempted where it could go on. One more makes the models take about four times
/// as long.
const INTERRUPTIONS: usize = 4;

/// Runs `model` in every order in which its threads can interleave with that many preemptions, and with every value
/// that each atomic read may return.
#[track_caller]
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(INTERRUPTIONS);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = orders.load(Ordering::Relaxed);
    println!("{orders} orders");
    assert!(orders > 10, "{orders} orders are all: the threads of this model do not meet");
}
