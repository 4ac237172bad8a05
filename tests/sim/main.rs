//! The simulation: programs as they are, on a network in memory, with faults by seed.

#[path = "../common"]
mod common {
    #[cfg(feature = "tls")]
    pub(crate) mod certificates;
}

mod checks;
mod connections;
mod ends;
mod hosts;
mod kinds;
mod programs;
mod replay;
#[cfg(feature = "tls")]
mod tls;
