//! A simulated network, on which a program runs as it is: the same loop, transports, servers and streams, on a clock that
//! jumps and on connections that fail as the seed says.

mod agenda;
mod check;
mod clock;
mod cluster;
mod connect;
mod datagrams;
mod decisions;
mod desk;
mod end;
mod failure;
mod faults;
mod handle;
mod host;
mod inbox;
mod line;
mod links;
mod listener;
mod machine;
mod network;
mod random;
mod run;
mod selector;
mod shrink;
mod world;

pub use check::check;
pub use failure::{Failure, FailureKind};
pub use faults::{Fault, Faults};
pub use handle::SimHandle;
pub use host::Outcome;
pub use run::Sim;
