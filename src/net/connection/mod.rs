//! A connection: the conduit, the transport that drives it, and how a connection begins and ends.

mod clients;
mod conduit;
mod connected;
mod layer;
mod linger;
mod made;
mod names;
mod traced;
mod transport;
mod watch;

pub(crate) use clients::{Attachment, Clients};
pub use conduit::{Conduit, Ways};
pub use connected::Connected;
pub(crate) use layer::{LayerOptions, MakeLayer, topmost};
#[cfg(feature = "tls")]
pub(crate) use layer::{LayerSettings, Layered, PrepareLayer};
pub(crate) use made::{Made, until_made};
pub(crate) use names::Names;
pub(crate) use traced::{behind_trace, labelled, traced};
pub(crate) use transport::ConduitTransport;
pub(crate) use watch::Watch;
