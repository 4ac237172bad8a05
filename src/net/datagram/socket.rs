//! The socket of a datagram endpoint: one of the internet, or a Unix one.
//!
//! What differs between the two is what std says of a sender, and how long a datagram may be.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;

use socket2::{Domain, SockRef, Socket, Type};

use crate::interface::Address;
use crate::net::connection::{Conduit, NO_SIGNAL, family_of, prepare};

pub(super) enum DatagramSocket {
    Inet(UdpSocket),
    Unix(UnixDatagram),
}

impl DatagramSocket {
    /// Takes a socket that may be of any kind.
    ///
    /// # Errors
    ///
    /// If it is not one for datagrams, or of a family whose senders could not be told.
    pub(super) fn adopt(socket: Socket) -> io::Result<DatagramSocket> {
        let (family, kind) = (family_of(&socket)?, socket.r#type()?);
        if kind != Type::DGRAM || ![Domain::IPV4, Domain::IPV6, Domain::UNIX].contains(&family) {
            let text = "a datagram socket was expected, of the internet or a Unix one";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        prepare(&socket)?;
        Ok(match family {
            Domain::UNIX => DatagramSocket::Unix(socket.into()),
            _ => DatagramSocket::Inet(socket.into()),
        })
    }

    /// Sends to this peer only, and receives from no other.
    pub(super) fn connect(&self, peer: &Address) -> io::Result<()> {
        SockRef::from(self).connect(&peer.to_sock_addr())
    }

    /// Receives a datagram, into `memory` if it fits and else into `larger`, and gives it with its sender.
    pub(super) fn recv<'m>(&self, memory: &'m mut [u8], larger: &'m mut Vec<u8>) -> io::Result<(&'m [u8], Address)> {
        match self {
            // None of the internet is longer than the memory that the loop lends.
            DatagramSocket::Inet(socket) => {
                let (len, from) = socket.recv_from(memory)?;
                Ok((&memory[..len], Address::Inet(from)))
            }
            DatagramSocket::Unix(socket) => {
                let next = length_of_next(socket)?;
                let memory = if next <= memory.len() {
                    memory
                } else {
                    larger.resize(next, 0);
                    larger
                };
                let (len, from) = socket.recv_from(memory)?;
                Ok((&memory[..len], Address::from(from)))
            }
        }
    }

    /// Sends to this address, or to the peer that the kernel knows.
    pub(super) fn send(&self, data: &[u8], to: Option<&Address>) -> io::Result<usize> {
        let socket = SockRef::from(self);
        match to {
            Some(to) => socket.send_to_with_flags(data, &to.to_sock_addr(), NO_SIGNAL),
            None => Conduit::send(&*socket, data),
        }
    }

    pub(super) fn peername(&self) -> Option<Address> {
        SockRef::from(self).peername()
    }

    pub(super) fn sockname(&self) -> Option<Address> {
        SockRef::from(self).sockname()
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            DatagramSocket::Inet(socket) => socket.as_fd(),
            DatagramSocket::Unix(socket) => socket.as_fd(),
        }
    }
}

/// How long the datagram is that is received next. A Unix datagram may have megabytes, and what it is longer than the
/// memory for it is lost.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn length_of_next(socket: &UnixDatagram) -> io::Result<usize> {
    /// Leaves the datagram where it is.
    const MSG_PEEK: i32 = 0x2;
    /// Says the whole length, however short the memory.
    const MSG_TRUNC: i32 = 0x20;
    SockRef::from(socket).recv_with_flags(&mut [], MSG_PEEK | MSG_TRUNC)
}

/// Other systems do not say, and keep Unix datagrams to a few kibibytes unless they are told otherwise.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn length_of_next(_socket: &UnixDatagram) -> io::Result<usize> {
    Ok(0)
}
