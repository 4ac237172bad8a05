//! The simulation: unchanged programs on a network in memory, with faults that a seed decides.

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
