//! TLS between transport and protocol.
//!
//! Towards the wire it is a [`Protocol`](crate::Protocol), towards the application a [`Transport`](crate::Transport).
//! `session` turns bytes into bytes; `protocol` moves them and keeps time; `transport` is
//! the application's side of `protocol`; `options` and `start_tls` put it under connections, servers and streams, none of
//! which knows of it.

mod any_name;
mod below;
mod config;
mod errors;
mod info;
mod options;
mod pem;
mod protocol;
mod session;
mod session_factory;
mod start_tls;
mod transport;
mod upgrade;

pub use config::{TlsClient, TlsServer};
pub use errors::{TlsError, TlsErrorKind};
pub use info::TlsInfo;
pub use session_factory::TlsRole;
pub use start_tls::{StartTlsStreams, start_tls};
pub use upgrade::StartTls;
