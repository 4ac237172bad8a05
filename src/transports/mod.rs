//! What all transports share, and what no socket, clock or loop is needed for.

mod backlog;
mod buffers;
mod flow_control;
mod gathering;
mod guard;
mod life;

pub(crate) use backlog::Backlog;
pub(crate) use buffers::Buffers;
pub(crate) use flow_control::{FlowChange, FlowControl};
pub(crate) use gathering::{AfterWrite, Gathering};
pub(crate) use guard::Guard;
pub(crate) use life::{Ending, Life, Phase};
