//! Listening: from an endpoint to a server.

mod bind;
mod create_server;
mod face;
mod listener;
mod state;

pub use create_server::CreateServer;
pub(crate) use create_server::{ServeOptions, serve_options};
pub use face::{Server, ShutdownReport};
