//! Two connected sockets of each kind.
//!
//! The kernel takes all that the tests here send, without any help of the loop. So the peer's part is done with blocking
//! calls, in one piece, while the loop is held up: it finds all of it at its next look, in every run.
use std::net::Ipv4Addr;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// What two sockets are connected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Tcp,
    Unix,
}

/// Our end, the peer's, and what may be sent to ours while nobody reads.
pub(crate) struct Linked {
    pub(crate) ours: Socket,
    pub(crate) peer: Socket,
    /// A mebibyte, where the system's limits allow for it.
    pub(crate) holds: usize,
}

impl Link {
    pub(crate) const BOTH: [Link; 2] = [Link::Tcp, Link::Unix];

    /// A pair of which our end has room for much.
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
                // What is on its way to a Unix socket counts for the sender.
                peer.set_send_buffer_size(4 << 20).unwrap();
                let room = peer.send_buffer_size().unwrap();
                (ours, peer, room)
            }
        };
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        peer.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        // The kernel counts what it keeps with the memory around it.
        Linked { ours, peer, holds: (room / 4).min(1 << 20) }
    }
}
