//! TLS: what is agreed on and what is refused, sessions and their ends, and upgrades in the middle of a connection.

#[path = "../common"]
mod common {
    pub(crate) mod alone;
    pub(crate) mod arrived;
    pub(crate) mod bytes;
    pub(crate) mod certificates;
    pub(crate) mod files;
    pub(crate) mod forward_clock;
    pub(crate) mod free_address;
    pub(crate) mod give_up;
    pub(crate) mod links;
    pub(crate) mod processes;
    pub(crate) mod recorder;
    pub(crate) mod running;
    pub(crate) mod settle;
    pub(crate) mod tls_peer;
    pub(crate) mod trace;
    pub(crate) mod until;
    pub(crate) mod watchdog;
}

#[cfg(target_os = "linux")]
mod bulk;
mod certificates;
mod end;
#[cfg(target_os = "linux")]
mod errors;
#[cfg(target_os = "linux")]
mod failed_sends;
mod halves;
mod handshake;
#[cfg(target_os = "linux")]
mod names;
mod options;
#[cfg(target_os = "linux")]
mod refusals;
mod serving;
mod settings;
#[cfg(target_os = "linux")]
mod shutdown;
mod upgrade;
