//! Where to connect to and to listen at: what a user may say, and which addresses that means.

mod endpoint;
mod look_up_error;
mod resolve;

pub use endpoint::Endpoint;
pub(crate) use endpoint::Target;
pub use look_up_error::{LookUpError, LookUpErrorKind};
pub use resolve::Family;
pub(crate) use resolve::{Hints, Purpose};
