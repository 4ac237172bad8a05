//! The parts that all transports share and that need no socket, clock or loop.

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
