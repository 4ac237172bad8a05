//! How much a test does, which the environment can change.

use std::env;

/// The figure that the environment sets, or the default.
pub(crate) fn figure(variable: &str, otherwise: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text.replace('_', "").parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => otherwise,
    }
}
