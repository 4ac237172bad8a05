//! The open descriptors of the process, for a test that runs alone.

use std::fs;

use crate::common::until::until;

/// How many descriptors the process has open.
pub(crate) fn open_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux lists the descriptors of a process").count()
}

/// Lets the loop run until the process has this many descriptors open.
pub(crate) async fn until_descriptors(expected: usize) {
    until(&format!("{expected} descriptors are open"), || open_descriptors() == expected).await;
}
