//! The waist: the narrow interface between moving bytes and using them.
//!
//! Below it are transports, which know how to move bytes; above it are protocols, which know what the bytes mean. Each
//! side knows the other only through the traits here.

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
