//! Reports errors that nobody awaits: to the log or, if the program has no logger, on standard error.

use std::fmt;
use std::io::{self, Write};

use log::LevelFilter;

/// Reports an error, in one of the two places.
#[cold]
pub(crate) fn error(text: fmt::Arguments<'_>) {
    if has_logger() {
        log::error!(target: "waterwheel", "{text}");
    } else {
        // It is written with one call, so that output of other threads does not come between. `eprintln!` would panic
        // if standard error is closed, which could end the program.
        let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
    }
}

/// Whether the program has installed a logger, even one that is switched off.
///
/// The crate `log` does not tell. But its level is `Off` until someone installs a logger and sets it. And its
/// placeholder for a missing logger is a type without size, while a logger that can be configured has a size. So this
/// is wrong in one case only: a logger without state at the level `Off` counts as none.
fn has_logger() -> bool {
    log::max_level() != LevelFilter::Off || size_of_val(log::logger()) > 0
}
