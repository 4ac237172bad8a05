//! The waist: what stands between bytes and those who use them.
//!
//! Below it are transports, which know how to move bytes; above it protocols, which know what bytes mean. Each side
//! knows the other only through the two traits here.

mod address;
mod datagram;
mod extra_info;
mod protocol;
mod receive_buffer;
#[cfg(feature = "process")]
mod subprocess;
mod transport;

pub use address::Address;
pub use datagram::{DatagramProtocol, DatagramTransport};
pub use extra_info::ExtraInfo;
pub use protocol::{AfterEof, BufferedProtocol, Protocol};
pub use receive_buffer::ReceiveBuffer;
#[cfg(feature = "process")]
pub use subprocess::{ChildPipe, SubprocessProtocol, SubprocessTransport};
pub use transport::Transport;
