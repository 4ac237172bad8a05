//! The servers under test, each as a user of its library would write it.
//!
//! A server prints its address, and exits when as many connections as it was told have ended.

mod with_tokio;
mod with_waterwheel;

use std::cell::Cell;
use std::process::exit;

pub(crate) fn serve(server: &str, connections: usize) {
    LEFT.set(connections);
    match server.split_once(':') {
        Some(("waterwheel", kind)) => with_waterwheel::serve(kind),
        Some(("tokio", kind)) => with_tokio::serve(kind),
        _ => panic!("no such server: {server}"),
    }
}

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// A connection ended; the last one ends the process.
fn connection_ended() {
    LEFT.set(LEFT.get() - 1);
    if LEFT.get() == 0 {
        exit(0);
    }
}
