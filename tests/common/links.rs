//! Two connected sockets of each kind.
//!
//! The kernel takes everything that the tests send here, without help from the loop. So the peer's part is done in one
//! piece, with blocking calls that hold up the loop: the loop finds all of it at its next poll, in every run.
use std::net::Ipv4Addr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// What connects two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Tcp,
    Unix,
}

/// Our end, the peer's end, and how much the peer may send while we do not read.
pub(crate) struct Linked {
    pub(crate) ours: Socket,
    pub(crate) peer: Socket,
    /// One mebibyte, if the system's limits allow it.
    pub(crate) holds: usize,
}

impl Link {
    pub(crate) const BOTH: [Link; 2] = [Link::Tcp, Link::Unix];

    /// A pair of sockets that holds many bytes on the way to our end.
    pub(crate) fn pair(self) -> Linked {
        let (ours, peer, room) = match self {
            Link::Tcp => {
                let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                listener.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
                listener.listen(1).unwrap();
                let ours = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
                ours.set_recv_buffer_size(4 << 20).unwrap();
                ours.connect(&listener.local_addr().unwrap()).unwrap();
                let (peer, _) = listener.accept().unwrap();
                peer.set_tcp_nodelay(true).unwrap();
                let room = ours.recv_buffer_size().unwrap();
                (ours, peer, room)
            }
            Link::Unix => {
                let (ours, peer) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
                // Bytes on their way to a Unix socket count against the sender's buffer.
                peer.set_send_buffer_size(4 << 20).unwrap();
                let room = peer.send_buffer_size().unwrap();
                (ours, peer, room)
            }
        };
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        peer.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        // The kernel counts its bookkeeping with the bytes.
        Linked { ours, peer, holds: (room / 4).min(1 << 20) }
    }
}
