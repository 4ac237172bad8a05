//! Where errors are told that nobody awaits: to the log or, while the program has no logger, on standard error.

use std::fmt;
use std::io::{self, Write};

use log::LevelFilter;

/// Tells of an error, once.
#[cold]
pub(crate) fn error(text: fmt::Arguments<'_>) {
    if has_logger() {
        log::error!(target: "waterwheel", "{text}");
    } else {
        // In one piece, so that nothing of another thread's stands within it. `eprintln!` would panic where standard
        // error is closed, and so could whatever made the error end the program.
        let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
    }
}

/// Whether the program has installed a logger, be it one that was told to be silent.
///
/// The crate `log` does not say. But the level begins at `Off`, and whoever installs a logger sets it; and what stands
/// in for a missing logger has no size, while a logger that can be configured to be silent has. So one mistake is left:
/// a logger without any state, at the level `Off`, is taken for none.
fn has_logger() -> bool {
    log::max_level() != LevelFilter::Off || size_of_val(log::logger()) > 0
}
