//! Tools for tests of this crate and of its users.

mod manual_clock;
mod pairs;
mod recording;

pub use manual_clock::ManualClock;
pub use pairs::{connected_pair, socket_pair};
pub use recording::{RecordingTransport, recorded_writer};
