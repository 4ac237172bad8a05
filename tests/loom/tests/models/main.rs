//! What other threads do to a loop, in every order in which they may meet, by the model checker loom.
//!
//! The crate that is tested here is built from waterwheel's own sources; only its locks, atomics and threads are loom's,
//! by `tests/loom/sync.rs`. So a model runs real loops, tasks and handles. Three things are not modelled. The
//! reference counts are std's, since a `std::task::Waker` is made of std's `Arc`: loom does not try another order around
//! them, nor does it see the fence in `LentWaker::is_kept`, which goes with such a count. The selector and its bell are a
//! lock and a condition (`house`). And a wait that may time out never does.
//!
//! A wake-up that is lost is a loop that sleeps for ever, which loom reports as a deadlock. What it reports may end the
//! whole process, since a model is given up while its threads hold locks; the first panic is the one to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

mod closing;
mod house;
mod remote;
mod threads;
mod wakes;

/// How many times in a run a thread is interrupted where it could go on. One more makes the models take about four times
/// as long.
const INTERRUPTIONS: usize = 4;

/// Runs `model` in every order in which its threads can meet with so many interruptions, and with every value that each
/// read of an atomic may give.
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
