//! Ends a test that hangs, even when the loop itself hangs.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Far longer than any test takes, even on a busy machine and under valgrind.
const PATIENCE: Duration = Duration::from_secs(300);

/// Ends the process unless it is dropped in time.
pub(crate) struct Watchdog(#[expect(dead_code, reason = "dropping it is what counts")] mpsc::Sender<()>);

pub(crate) fn watchdog() -> Watchdog {
    let (sender, receiver) = mpsc::channel();
    let test = thread::current().name().unwrap_or("without a name").to_owned();
    thread::spawn(move || {
        if receiver.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("a test hangs: {test}");
            std::process::abort();
        }
    });
    Watchdog(sender)
}
