//! Where to connect to and to listen on: the forms that a user may give, and the addresses that they mean.

mod endpoint;
mod family;
mod getaddrinfo;
mod look_up_error;
mod resolve;

pub use endpoint::Endpoint;
pub(crate) use endpoint::Target;
pub use family::{Family, Hints};
pub use getaddrinfo::GetAddrInfo;
pub use look_up_error::{LookUpError, LookUpErrorKind};
pub(crate) use resolve::Purpose;
