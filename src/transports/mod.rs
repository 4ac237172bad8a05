//! What all transports share, and what no socket, clock or loop is needed for.

mod buffers;
mod flow_control;
mod guard;
mod outgoing;

pub(crate) use buffers::Buffers;
pub(crate) use flow_control::{FlowControl, LostWrites, Signal};
pub(crate) use guard::Guard;
pub(crate) use outgoing::{Backlog, Outgoing};
