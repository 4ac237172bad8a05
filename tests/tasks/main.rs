//! Coroutines on the loop: tasks, what wakes them, and what takes too long.

#[path = "../common"]
mod common {
    pub(crate) mod dropped;
    pub(crate) mod jumping;
    pub(crate) mod running;
    pub(crate) mod sockets;
    pub(crate) mod trace;
    pub(crate) mod watchdog;
}

mod cancellation;
mod combinators;
mod dumps;
mod gathers;
mod groups;
mod intervals;
mod remote;
mod tasks;
mod threads;
mod timeouts;
mod waits;
mod wakers;
