//! Child processes: a child, its end, and a transport over it.
//!
//! ```text
//!   SIGCHLD ──► the loop's stream of signals ──► a task for each child asks whether it was this one
//!                                                                       │
//!                                    SubprocessTransport, Process ◄─────┘  Child::ended
//! ```
//!
//! The signal does not say which child has exited, nor how many have. So each child is checked, and several ends that
//! became one signal are all found. Only children of the loop are waited for: other parts of a program may have
//! children of their own.

mod child;
mod orphans;
mod reporter;
mod running;
mod subprocess_exec;
mod transport;

pub(crate) use child::{Child, Pipes};
