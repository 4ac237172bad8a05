//! Connecting: from an endpoint to a transport and its protocol.

mod connect_error;
mod create_connection;
mod dial;
mod race;

pub use connect_error::ConnectError;
pub use create_connection::CreateConnection;
pub(crate) use create_connection::{ConnectOptions, connect_options};
