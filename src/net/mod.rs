//! Connections and servers: bytes between a conduit and a protocol.

mod bind;
mod clients;
mod conduit;
mod connect;
mod create_server;
mod datagram;
mod dial;
mod directory_lock;
mod endpoint;
mod layer;
mod linger;
mod listener;
mod look_up_error;
mod made;
mod pipes;
mod race;
mod resolve;
mod server;
mod socket_transport;
mod unix_path;
mod watch;

pub(crate) use connect::ConnectOptions;
pub use connect::CreateConnection;
pub(crate) use connect::connect_options;
pub use create_server::CreateServer;
pub(crate) use create_server::{ServeOptions, serve_options};
pub use datagram::CreateDatagramEndpoint;
pub use dial::ConnectError;
pub use endpoint::Endpoint;
pub(crate) use layer::topmost;
#[cfg(feature = "tls")]
pub(crate) use layer::{LayerSettings, Layered, Prepare, Wrap};
pub use look_up_error::{LookUpError, LookUpErrorKind};
#[cfg(feature = "tls")]
pub(crate) use made::Made;
pub use resolve::Family;
pub use server::{Server, ShutdownReport};
