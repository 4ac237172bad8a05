//! Connections and servers, from connecting and binding to the last byte and the closed descriptor.

#[path = "../common"]
mod common {
    pub(crate) mod alone;
    pub(crate) mod bytes;
    #[cfg(feature = "tls")]
    pub(crate) mod certificates;
    pub(crate) mod connected;
    pub(crate) mod descriptors;
    pub(crate) mod memory;
    pub(crate) mod peers;
    pub(crate) mod plain_peer;
    pub(crate) mod recorder;
    pub(crate) mod running;
    pub(crate) mod settle;
    pub(crate) mod sockets;
    pub(crate) mod story;
    pub(crate) mod temp_dir;
    pub(crate) mod trace;
    pub(crate) mod unix_name;
    pub(crate) mod until;
    pub(crate) mod watchdog;
    pub(crate) mod wires;
}

mod buffered_protocol;
mod clock;
mod closing;
mod connecting;
mod floods;
mod flow_control;
mod in_memory;
mod layers;
mod life;
mod protocol_panics;
mod reentrancy;
mod server;
mod unix;
mod unwatched;
mod worker_threads;
