//! Runs a test on a loop, and lets that loop turn.

use std::time::Duration;

use waterwheel::{timeout, yield_now};

use crate::common::watchdog::watchdog;

/// Runs a test on a loop of its own.
pub(crate) fn run<F: Future>(main: F) -> F::Output {
    let _watchdog = watchdog();
    waterwheel::run(async { timeout(Duration::from_secs(60), main).await.expect("the test is over in time") })
}

/// Lets `n` turns pass.
pub(crate) async fn turns(n: usize) {
    for _ in 0..n {
        yield_now().await;
    }
}
