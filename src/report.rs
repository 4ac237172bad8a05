//! Reports errors that nobody awaits: to the log or, if the program has no logger, on standard error.

use std::fmt;
use std::io::{self, Write};

use log::LevelFilter;

/// Reports an error to the log or on standard error.
#[cold]
pub(crate) fn error(text: fmt::Arguments<'_>) {
    if has_logger() {
        log::error!(target: "waterwheel", "{text}");
    } else {
        // One call writes the whole line, so that output of other threads does not come in between. `eprintln!` would
        // panic if standard error is closed, which could end the program.
        let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
    }
}

/// Whether the program has installed a logger, even one that is switched off.
///
/// The crate `log` cannot be asked. But its level is `Off` until the program installs a logger and sets the level,
/// and its placeholder for a missing logger is a zero-sized type, while a logger that can be configured has a size.
/// So the answer is wrong in one case only: a zero-sized logger at the level `Off` counts as none.
fn has_logger() -> bool {
    log::max_level() != LevelFilter::Off || size_of_val(log::logger()) > 0
}
