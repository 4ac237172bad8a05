//! The loop itself: its turns, callbacks, timers, the user's own descriptors, and calls from other threads.

#[path = "../common"]
mod common {
    #[cfg(all(feature = "signals", target_os = "linux"))]
    pub(crate) mod alone;
    pub(crate) mod bytes;
    #[cfg(feature = "tls")]
    pub(crate) mod certificates;
    pub(crate) mod chrome_trace;
    pub(crate) mod connected;
    #[cfg(all(feature = "signals", target_os = "linux"))]
    pub(crate) mod descriptors;
    pub(crate) mod polled;
    pub(crate) mod recorder;
    pub(crate) mod running;
    pub(crate) mod sockets;
    pub(crate) mod temp_dir;
    pub(crate) mod trace;
    pub(crate) mod until;
    pub(crate) mod watchdog;
}

mod between_runs;
mod builder;
mod callbacks;
mod fairness;
mod fd_callbacks;
mod metrics;
mod misuse;
mod other_threads;
mod panic_matrix;
mod saying;
mod setting;
#[cfg(all(feature = "signals", target_os = "linux"))]
mod signals;
mod spinning;
mod stuck;
mod timers;
mod traces;
mod turns;
mod turns_from_outside;
