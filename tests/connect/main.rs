//! Connecting, by the public interface: every option, every kind of endpoint, failures, races and cancellation.

#[path = "../common/connections.rs"]
mod common;

mod cancel;
mod names;
mod options;
mod race;
mod sockets;
