//! Waits for what happens sooner or later.

use std::time::Duration;

use waterwheel::sleep;

/// Waits until a condition is true, for a few seconds at most.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came: {what}");
}
