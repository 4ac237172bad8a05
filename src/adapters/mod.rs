//! Traits of other crates, with a feature for each crate. The implementations are thin: each method calls one of the
//! poll methods of the streams.
//!
//! Reading copies once, out of the memory that the bytes were received into. The bytes that one step writes are sent in
//! one system call, whichever trait wrote them. Closing works as for our streams: the bytes written before are sent,
//! then the end.

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
