//! Whole programs, as a user runs them: the examples, other programs, the compiler; and the system calls that they
//! make.

#[path = "../common"]
mod common {
    pub(crate) mod arrived;
    #[cfg(feature = "tls")]
    pub(crate) mod certificates;
    pub(crate) mod chrome_trace;
    pub(crate) mod close_unread;
    pub(crate) mod files;
    #[cfg(feature = "tls")]
    pub(crate) mod free_address;
    #[cfg(all(feature = "signals", feature = "tls", target_os = "linux"))]
    pub(crate) mod give_up;
    pub(crate) mod processes;
    #[cfg(feature = "sim")]
    pub(crate) mod temp_dir;
}

#[cfg(target_os = "linux")]
mod at_home;
#[cfg(all(feature = "signals", target_os = "linux"))]
mod chat;
#[cfg(target_os = "linux")]
mod closing_calls;
mod compiler_messages;
#[cfg(all(feature = "signals", target_os = "linux"))]
mod ctrl_c;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(target_os = "linux")]
mod examples;
#[cfg(all(feature = "tls", target_os = "linux"))]
mod examples_over_tls;
#[cfg(all(feature = "signals", feature = "tls", target_os = "linux"))]
mod faults;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(all(feature = "hyper", feature = "signals", feature = "tls", target_os = "linux"))]
mod http;
mod incidents;
#[cfg(target_os = "linux")]
mod interop;
#[cfg(target_os = "linux")]
mod kernel_faults;
#[cfg(target_os = "linux")]
mod metrics;
#[cfg(target_os = "linux")]
mod one_thread;
#[cfg(target_os = "linux")]
mod programs_of_pages;
#[cfg(target_os = "linux")]
mod proxy;
mod public_interface;
#[cfg(all(feature = "signals", target_os = "linux"))]
mod quit;
#[cfg(target_os = "linux")]
mod resp;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(all(feature = "sim", target_os = "linux"))]
mod simulations;
#[cfg(all(feature = "tls", target_os = "linux"))]
mod starttls_client;
#[cfg(target_os = "linux")]
mod strace;
#[cfg(target_os = "linux")]
mod system_calls;
#[cfg(all(feature = "tls", target_os = "linux"))]
mod tls_interop;
#[cfg(target_os = "linux")]
mod traces;
#[cfg(all(feature = "futures-io", target_os = "linux"))]
mod websocket_chat;
