//! Counts what waterwheel costs: user-space instructions, system calls, allocations and bytes of memory.
//!
//! Counts are the same on every run, even on a busy machine, so a change that costs something is noticed at once. The
//! bench `gate` compares each count with its limit in `limits.toml`; the tests limit how much memory a peer can make a
//! program hold.

pub mod counting;
pub mod heap;
pub mod limits;
pub mod server;
pub mod traffic;
pub mod watched;

/// A figure and its name, which is the section and the key of its limit.
pub type Figure = (String, f64);
