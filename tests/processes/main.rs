//! Child processes: as streams, as callbacks, and how they end.

#[path = "../common"]
mod common {
    pub(crate) mod alone;
    pub(crate) mod descriptors;
    pub(crate) mod running;
    pub(crate) mod until;
    pub(crate) mod watchdog;
}

mod command;
mod ends;
mod many;
mod protocol;
mod streams;
