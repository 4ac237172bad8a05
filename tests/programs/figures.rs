//! How much a test does, which whoever runs it may want more of.

use std::env;

/// How much is to be done: what the environment says, or else so much.
pub(crate) fn figure(variable: &str, otherwise: u64) -> u64 {
    match env::var(variable) {
        Ok(text) => text.replace('_', "").parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")),
        Err(_) => otherwise,
    }
}
