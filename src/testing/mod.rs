//! Tools for tests of this crate and of its users.

mod manual_clock;

pub use manual_clock::ManualClock;
