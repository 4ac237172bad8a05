//! TLS between transport and protocol.
//!
//! To the transport below, TLS is a [`Protocol`](crate::Protocol); to the application, it is a
//! [`Transport`](crate::Transport). `session` encrypts and decrypts; `protocol` moves the bytes and enforces the
//! timeouts; `transport` is the application's side of `protocol`; `options` and `start_tls` put TLS under connections,
//! servers and streams. Connections, servers and streams know that there can be a layer between a transport and a
//! protocol, but not that it is TLS.

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
