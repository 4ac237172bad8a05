//! The last step of whoever opens a transport: the protocol is told, then the caller gets both.

use std::io;

use crate::errors::ConnectionError;
use crate::promise::Promise;

/// Told when `connection_made` has returned, or why it never did.
pub(crate) type Made = Promise<Result<(), ConnectionError>>;

/// Waits until the protocol was told. Until the caller has the transport, giving up means that nobody wants it: then,
/// and if the protocol failed, `abort` is called.
pub(crate) async fn until_made(made: &Made, abort: impl Fn()) -> io::Result<()> {
    let unwanted = Unwanted(&abort);
    made.wait().await?;
    std::mem::forget(unwanted);
    Ok(())
}

struct Unwanted<'a, F: Fn()>(&'a F);

impl<F: Fn()> Drop for Unwanted<'_, F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
