//! Tools for tests of this crate and of its users.

mod manual_clock;
mod pairs;

pub use manual_clock::ManualClock;
pub use pairs::socket_pair;
