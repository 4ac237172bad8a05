//! Two connected sockets of each kind, and what the kernel holds between them.
//!
//! The kernel takes all that the tests here send, without any help of the loop. So the peer's part is done with blocking
//! calls, in one piece, while the loop is held up: it finds all of it at its next look, in every run.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::fs;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

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

/// Waits until all that was sent by a socket has arrived in the kernel of the other end, whoever reads it there.
pub(crate) fn until_arrived<'s>(socket: impl Into<SockRef<'s>>) {
    let socket = socket.into();
    let (Some(own), Some(other)) = (port(socket.local_addr()), port(socket.peer_addr())) else { return };
    for _ in 0..5_000 {
        if unacknowledged(own, other) == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("what was sent never arrived");
}

fn port(name: std::io::Result<socket2::SockAddr>) -> Option<u16> {
    Some(name.ok()?.as_socket()?.port())
}

/// How many bytes one end of a TCP connection over the loopback has sent that the other has not acknowledged.
fn unacknowledged(own: u16, other: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").expect("Linux lists its TCP connections");
    let (own, other) = (format!(":{own:04X}"), format!(":{other:04X}"));
    let of_connection = table.lines().find_map(|line| {
        // number, local name, remote name, state, sent:received
        let fields: Vec<&str> = line.split_whitespace().take(5).collect();
        let is_it = fields.len() == 5 && fields[1].ends_with(&own) && fields[2].ends_with(&other);
        is_it.then(|| fields[4].split(':').next().map(str::to_owned)).flatten()
    });
    of_connection.map_or(0, |sent| usize::from_str_radix(&sent, 16).expect("the kernel counts in hexadecimal"))
}

/// A peer that reads the beginning of what is said to it, answers, and closes with the rest unread when the answer has
/// arrived. The kernel resets the connection then, and keeps what has arrived for whoever reads it.
pub(crate) fn answer_early(mut peer: Socket, answer: &[u8]) {
    peer.read_exact(&mut [0; 1000]).unwrap();
    peer.write_all(answer).unwrap();
    until_arrived(&peer);
    drop(peer);
}
