//! The primitives of std by which threads share state: the executor, the thread pool and remote tasks import them
//! from here.
//!
//! That lets the model checker of `tests/loom` substitute its own primitives and try every interleaving of the
//! threads.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};
pub(crate) use std::{thread, thread_local};
