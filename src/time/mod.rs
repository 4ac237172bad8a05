//! Waiting for time to pass.

mod interval;
mod sleep;
mod timeout;

pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Timeout, timeout, timeout_at};
