//! What threads share, in one place: std's primitives, as the executor, the threads and remote tasks use them.
//!
//! Those import them from here, so that the model checker of `tests/loom` can put its own in their place and try every
//! order in which threads may meet.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};
pub(crate) use std::{thread, thread_local};
