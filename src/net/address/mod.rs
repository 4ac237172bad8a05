//! Where to connect to and to listen at: what a user may say, and which addresses that means.

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
