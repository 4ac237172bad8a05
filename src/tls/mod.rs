//! TLS between transport and protocol.
//!
//! Towards the wire it is a [`Protocol`](crate::Protocol), towards the application a [`Transport`](crate::Transport),
//! and nothing else knows of it. `session` turns bytes into bytes; `protocol` moves them and keeps time; `transport` is
//! the application's side of `protocol`.

mod any_name;
mod config;
mod errors;
mod info;
mod pem;
mod protocol;
mod recipe;
mod session;
mod transport;
mod upgrade;

pub use config::{TlsClient, TlsServer};
pub use errors::{TlsError, TlsErrorKind};
pub use info::TlsInfo;
pub(crate) use protocol::TlsProtocol;
pub(crate) use recipe::Recipe;
pub use recipe::TlsRole;
pub use upgrade::StartTls;
pub(crate) use upgrade::{Upgrade, UpgradeOptions, upgrade_options};
