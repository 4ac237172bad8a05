//! Traits of other crates, a feature for each crate: thin, since each method is one of the poll methods of the streams.
//!
//! Reading copies once, out of the memory that was received into. What one step writes goes out in one system call,
//! whichever trait it was written by. Closing is ours: what was written goes first, then the end.

#[cfg(feature = "futures-core")]
mod futures_core;
#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(any(feature = "futures-io", feature = "tokio-io", feature = "hyper"))]
mod halves;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(feature = "hyper")]
mod hyper_timer;
#[cfg(feature = "futures-core")]
mod incoming;
#[cfg(feature = "tokio-io")]
mod tokio_io;

#[cfg(feature = "futures-core")]
pub use futures_core::Lines;
#[cfg(feature = "hyper")]
pub use hyper::LoopExecutor;
#[cfg(feature = "hyper")]
pub use hyper_timer::LoopTimer;
#[cfg(feature = "futures-core")]
pub use incoming::{Incoming, incoming};
