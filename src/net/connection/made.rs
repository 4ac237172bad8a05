//! The last step of whoever opens a transport: the protocol is told, then the caller gets both.

use std::io;

use crate::errors::ConnectionError;
use crate::promise::Promise;
use crate::transports::Guard;

/// Told when `connection_made` has returned, or why it never did.
pub(crate) type Made = Promise<Result<(), ConnectionError>>;

/// Waits until the protocol was told. Until the caller has the transport, giving up means that nobody wants it: then,
/// and if the protocol failed, `abort` is called.
pub(crate) async fn until_made(made: &Made, abort: impl Fn() + Copy) -> io::Result<()> {
    let unwanted = Guard::new(abort);
    made.wait().await?;
    unwanted.disarm();
    Ok(())
}
