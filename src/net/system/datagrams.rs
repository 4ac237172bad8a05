//! The socket of a datagram endpoint: an internet socket or a Unix socket.
//!
//! The two differ in the type of a sender's address in std, and in how long a datagram may be.

use std::fmt;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::socket::{NO_SIGNAL, family_of, peername, prepare, sockname};
use super::unix_path::{SocketFile, bind_unix};
use crate::interface::Address;
use crate::net::port::{DatagramConduit, DatagramOptions};

pub(super) struct DatagramSocket {
    /// The file that binding made here, if there is one. It is the first field, so that the file is removed before the
    /// socket is closed: until then, no other process takes over the path.
    _file: Option<SocketFile>,
    kind: Kind,
}

enum Kind {
    Inet(UdpSocket),
    Unix(UnixDatagram),
}

impl DatagramSocket {
    pub(super) async fn open(options: DatagramOptions) -> io::Result<Self> {
        let named = options.bind_to.as_ref().or(options.connect_to.as_ref());
        let Some(Address::Inet(named)) = named else { return DatagramSocket::open_unix(&options).await };
        let socket = Socket::new(Domain::for_address(*named), Type::DGRAM, Some(Protocol::UDP))?;
        prepare(&socket)?;
        if options.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if options.allow_broadcast {
            socket.set_broadcast(true)?;
        }
        if let Some(local) = &options.bind_to {
            socket.bind(&local.to_sock_addr()).map_err(|error| cannot("bind to", local, &error))?;
        }
        connect(&socket, options.connect_to.as_ref())?;
        Ok(DatagramSocket { _file: None, kind: Kind::Inet(socket.into()) })
    }

    async fn open_unix(options: &DatagramOptions) -> io::Result<Self> {
        let (socket, file) = match &options.bind_to {
            Some(local) => bind_unix(local, Type::DGRAM).await.map_err(|error| cannot("bind to", local, &error))?,
            None => {
                let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
                prepare(&socket)?;
                (socket, None)
            }
        };
        let bound = DatagramSocket { _file: file, kind: Kind::Unix(socket.into()) };
        connect(&bound.reference(), options.connect_to.as_ref())?;
        Ok(bound)
    }

    /// Takes a socket that may be of any kind.
    ///
    /// # Errors
    ///
    /// If it is not a datagram socket, or is of a family whose addresses cannot be represented.
    pub(super) fn adopt(socket: Socket) -> io::Result<Self> {
        let (family, kind) = (family_of(&socket)?, socket.r#type()?);
        if kind != Type::DGRAM || ![Domain::IPV4, Domain::IPV6, Domain::UNIX].contains(&family) {
            let text = "a UDP or Unix datagram socket was expected";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        prepare(&socket)?;
        let kind = match family {
            Domain::UNIX => Kind::Unix(socket.into()),
            _ => Kind::Inet(socket.into()),
        };
        Ok(DatagramSocket { _file: None, kind })
    }

    fn reference(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

/// From now on, sends to this peer only, and receives from no other.
fn connect(socket: &Socket, peer: Option<&Address>) -> io::Result<()> {
    let Some(peer) = peer else { return Ok(()) };
    socket.connect(&peer.to_sock_addr()).map_err(|error| cannot("connect to", peer, &error))
}

fn cannot(attempt: &str, place: &dyn fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {attempt} {place}: {error}"))
}

impl DatagramConduit for DatagramSocket {
    fn recv_from<'m>(&self, memory: &'m mut [u8], larger: &'m mut Vec<u8>) -> io::Result<(&'m [u8], Address)> {
        match &self.kind {
            // No internet datagram is longer than the memory that the loop lends.
            Kind::Inet(socket) => {
                let (len, from) = socket.recv_from(memory)?;
                Ok((&memory[..len], Address::Inet(from)))
            }
            Kind::Unix(socket) => {
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

    fn send_to(&self, data: &[u8], to: Option<&Address>) -> io::Result<()> {
        let socket = self.reference();
        let sent = match to {
            Some(to) => socket.send_to_with_flags(data, &to.to_sock_addr(), NO_SIGNAL),
            None => socket.send_with_flags(data, NO_SIGNAL),
        };
        sent.map(drop)
    }

    fn peername(&self) -> Option<Address> {
        peername(self.reference())
    }

    fn sockname(&self) -> Option<Address> {
        sockname(self.reference())
    }

    fn fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }

    fn socket(self: Rc<Self>) -> Option<Rc<dyn AsFd>> {
        Some(self)
    }
}

impl AsFd for DatagramSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.kind {
            Kind::Inet(socket) => socket.as_fd(),
            Kind::Unix(socket) => socket.as_fd(),
        }
    }
}

/// The length of the next datagram. A Unix datagram may have megabytes, and the part that does not fit into the memory
/// for it is lost.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn length_of_next(socket: &UnixDatagram) -> io::Result<usize> {
    // The first flag leaves the datagram where it is, and the second makes the call return its whole length.
    SockRef::from(socket).recv_with_flags(&mut [], libc::MSG_PEEK | libc::MSG_TRUNC)
}

/// Other systems do not say the length, and limit Unix datagrams to a few kibibytes unless configured otherwise.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn length_of_next(_socket: &UnixDatagram) -> io::Result<usize> {
    Ok(0)
}
