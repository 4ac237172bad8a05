//! The names of the two ends of a connection.

use std::rc::Rc;

use crate::interface::Address;

/// The names of both ends, as they were when the connection was made.
#[derive(Clone, Default)]
pub(crate) struct Names {
    pub(crate) peer: Option<Address>,
    /// Shared with the listener, whose connections usually have the same local name.
    pub(crate) local: Option<Rc<Address>>,
}
