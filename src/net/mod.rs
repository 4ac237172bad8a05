//! Connections and servers: bytes between a conduit and a protocol.

mod conduit;
mod connect;
mod endpoint;
mod listener;
mod outgoing;
mod resolve;
mod server;
mod socket_transport;
mod watch;

pub(crate) use connect::ConnectOptions;
pub use connect::CreateConnection;
pub use endpoint::Endpoint;
pub(crate) use server::ServeOptions;
pub use server::{CreateServer, Server};
