//! Waits for what comes sooner or later.

use std::time::Duration;

use waterwheel::sleep;

/// Waits until something is so, for a few seconds at the most.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came: {what}");
}
