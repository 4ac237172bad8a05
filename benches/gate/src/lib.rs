//! What waterwheel costs, counted: user-space instructions, system calls, allocations and bytes of memory.
//!
//! Counts are the same on every run, busy machine or not, so a change that costs something is seen at once. The bench
//! `gate` holds each against its limit in `limits.toml`; the tests hold what a peer can make a program keep.

pub mod counting;
pub mod heap;
pub mod limits;
pub mod server;
pub mod traffic;
pub mod watched;

/// A figure by its name: the section and the key of its limit.
pub type Figure = (String, f64);
