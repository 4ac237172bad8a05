//! Where TLS meets connections, servers and streams: neither of them knows of the other.

mod options;
mod start_tls;

pub use start_tls::{StartTlsStreams, start_tls};
