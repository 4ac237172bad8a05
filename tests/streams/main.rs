//! Readers and writers, and the handlers of servers that get them.

#[path = "../common"]
mod common {
    pub(crate) mod arrived;
    pub(crate) mod bytes;
    pub(crate) mod close_unread;
    pub(crate) mod give_up;
    pub(crate) mod links;
    pub(crate) mod plain_peer;
    pub(crate) mod recorder;
    pub(crate) mod running;
    pub(crate) mod settle;
    pub(crate) mod sockets;
    pub(crate) mod trace;
    pub(crate) mod until;
    pub(crate) mod watchdog;
}

#[cfg(target_os = "linux")]
mod clean_ends;
mod connected_pair;
mod connection;
mod copy;
#[cfg(target_os = "linux")]
mod failed_sends;
#[cfg(target_os = "linux")]
mod halves;
mod handlers;
mod pipes;
mod polls;
mod reader;
mod reader_model;
mod separators;
mod sockets;
mod writer;
