//! The last step of opening a transport: its protocol is told, and then the caller gets both.

use std::io;

use crate::errors::ConnectionError;
use crate::promise::Promise;
use crate::transports::Guard;

/// Set when `connection_made` has returned, or with the reason why it never will.
pub(crate) type Made = Promise<Result<(), ConnectionError>>;

/// Waits until the protocol was told. If that fails, or if the future is dropped before, the transport will not be
/// used, and `abort` is called.
pub(crate) async fn until_made(made: &Made, abort: impl Fn() + Copy) -> io::Result<()> {
    let unwanted = Guard::new(abort);
    made.wait().await?;
    unwanted.disarm();
    Ok(())
}
