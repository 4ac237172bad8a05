//! Futures that wait for time to pass.

use std::future::{pending, ready};
use std::time::Duration;

use waterwheel::{get_running_loop, interval, sleep, sleep_until, timeout, timeout_at};

use super::moments::{Moment, drop_at};
use super::remains::timers;
use super::{Row, rows};

pub(super) const ROWS: &[Row] = rows![
    "Sleep" => |moment| waits_for_time(moment, sleep(SHORT)),
    "Sleep" => |moment| waits_for_time(moment, sleep_until(get_running_loop().time() + SHORT)),
    "Timeout" => |moment| waits_for_time(moment, timeout(SHORT, pending::<()>())),
    "Timeout" => |moment| waits_for_time(moment, timeout(LONG, sleep(SHORT))),
    "Timeout" => |moment| waits_for_time(moment, timeout(LONG, ready(()))),
    "Timeout" => |moment| waits_for_time(moment, timeout_at(get_running_loop().time() + SHORT, pending::<()>())),
    "Interval::tick" => tick,
];

const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// A timer does not outlive the wait for it, even if it had longer to run.
async fn waits_for_time(moment: Moment, future: impl Future) -> bool {
    let before = timers();
    let is_done = drop_at(moment, future).await.is_some();
    assert_eq!(timers(), before, "{moment:?}");
    is_done
}

async fn tick(moment: Moment) -> bool {
    let before = timers();
    let mut interval = interval(SHORT);
    let first = interval.tick().await;
    let dropped = drop_at(moment, interval.tick()).await;
    // A tick whose wait was dropped is still returned by the next wait, and only once.
    let second = match dropped {
        Some(tick) => tick,
        None => interval.tick().await,
    };
    assert_eq!(second - first, SHORT);
    drop(interval);
    assert_eq!(timers(), before, "{moment:?}");
    dropped.is_some()
}
