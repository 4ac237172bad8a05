//! Connections and servers: bytes between a conduit and a protocol.

mod address;
mod choice;
mod client;
mod connection;
mod datagram;
mod memory;
mod pipes;
pub mod port;
#[cfg(feature = "process")]
mod process;
mod server;
mod system;

pub use address::{Endpoint, Family, GetAddrInfo, LookUpError, LookUpErrorKind};
pub use client::{ConnectError, CreateConnection};
pub(crate) use client::{ConnectOptions, connect_options};
pub(crate) use connection::topmost;
#[cfg(feature = "tls")]
pub(crate) use connection::{LayerSettings, Layered, Made, MakeLayer, PrepareLayer, behind_trace, traced};
pub use datagram::CreateDatagramEndpoint;
pub(crate) use memory::connected_in_memory;
#[cfg(feature = "process")]
pub(crate) use process::{Child, Pipes};
pub use server::{CreateServer, Server, ShutdownReport};
pub(crate) use server::{ServeOptions, serve_options};
