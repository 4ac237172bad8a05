//! A wait for something that should not happen.

use std::time::Duration;

use waterwheel::sleep;

/// Gives the loop time to poll its sockets when something is expected not to happen: while something is ready, as
/// during `turns`, the loop need not poll.
pub(crate) async fn settle() {
    for _ in 0..3 {
        sleep(Duration::from_millis(1)).await;
    }
}
