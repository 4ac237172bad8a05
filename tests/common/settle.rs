//! Waits for what should not come.

use std::time::Duration;

use waterwheel::sleep;

/// Gives the loop time to look at its sockets, for what is expected not to happen: while something is ready, as in
/// `turns`, it need not look.
pub(crate) async fn settle() {
    for _ in 0..3 {
        sleep(Duration::from_millis(1)).await;
    }
}
