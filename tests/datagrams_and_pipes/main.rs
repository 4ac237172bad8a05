//! Datagram endpoints over UDP and Unix sockets, and pipes.

#[path = "../common"]
mod common {
    pub(crate) mod alone;
    pub(crate) mod descriptors;
    pub(crate) mod recorder;
    pub(crate) mod running;
    pub(crate) mod temp_dir;
    pub(crate) mod trace;
    pub(crate) mod unix_name;
    pub(crate) mod until;
    pub(crate) mod watchdog;
}

mod datagrams;
mod pipes;
mod recorder;
mod unix_datagrams;
