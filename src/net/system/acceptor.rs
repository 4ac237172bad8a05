//! Bound sockets, and the connections that arrive at them.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;

use mio::net::{TcpListener, UnixListener};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::socket::{family_of, peername, prepare, prepare_accepted, set_nodelay, sockname};
use super::unix_path::{SocketFile, bind_unix};
use crate::interface::Address;
use crate::net::port::{Acceptor, BindOptions, Connected};

pub(super) struct SystemAcceptor {
    /// The file that binding made, if it is ours to remove. It is the first field, so that the file is removed before
    /// the socket is closed: until then, no other process takes over the path.
    _file: Option<SocketFile>,
    listener: Listener,
    /// A ready socket that was not bound gets its port only when it listens, so this may change.
    sockname: RefCell<Option<Rc<Address>>>,
}

/// mio's accept makes the new socket non-blocking in the same system call, which no other crate does.
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl SystemAcceptor {
    fn new(socket: Socket, file: Option<SocketFile>) -> io::Result<Self> {
        let sockname = sockname(SockRef::from(&socket)).map(Rc::new);
        let listener = match family_of(&socket)? {
            Domain::UNIX => Listener::Unix(UnixListener::from_std(socket.into())),
            _ => Listener::Tcp(TcpListener::from_std(socket.into())),
        };
        Ok(SystemAcceptor { _file: file, listener, sockname: RefCell::new(sockname) })
    }

    pub(super) fn bind(address: SocketAddr, options: BindOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        prepare(&socket)?;
        socket.set_reuse_address(options.reuse_address)?;
        socket.set_reuse_port(options.reuse_port)?;
        socket.set_keepalive(options.keep_alive)?;
        if address.is_ipv6() {
            // Set so that both families can have the same port.
            socket.set_only_v6(true)?;
        }
        socket.bind(&SockAddr::from(address))?;
        SystemAcceptor::new(socket, None)
    }

    pub(super) async fn bind_unix(address: &Address, options: BindOptions) -> io::Result<Self> {
        let (socket, file) = bind_unix(address, Type::STREAM).await?;
        let file = match file {
            Some(file) if !options.cleanup_socket => {
                file.leave();
                None
            }
            file => file,
        };
        SystemAcceptor::new(socket, file)
    }

    /// Takes a socket that the caller made and bound. Its path, if it has one, belongs to the code that bound it: the
    /// socket may be handed on to another process.
    pub(super) fn adopt(socket: Socket) -> io::Result<Self> {
        check_listener(family_of(&socket)?, socket.r#type()?)?;
        prepare(&socket)?;
        SystemAcceptor::new(socket, None)
    }

    /// The name of our end of an accepted connection. It is the listener's own name, which saves a system call per
    /// connection, unless the listener is bound to every interface.
    fn name_of(&self, accepted: &Socket) -> Option<Rc<Address>> {
        let own = self.sockname.borrow();
        match own.as_deref() {
            Some(Address::Inet(address)) if address.ip().is_unspecified() => {
                sockname(SockRef::from(accepted)).map(Rc::new)
            }
            _ => own.clone(),
        }
    }
}

impl AsFd for SystemAcceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.listener {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener) => listener.as_fd(),
        }
    }
}

impl Acceptor for SystemAcceptor {
    fn listen(&self, backlog: u32) -> io::Result<()> {
        let socket = SockRef::from(self);
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        // Read again, since a socket that was not bound has its port only now.
        let name = socket.local_addr()?;
        self.sockname.replace(Address::from_sock_addr(name).map(Rc::new));
        Ok(())
    }

    fn accept(&self) -> io::Result<Connected> {
        let (socket, peer) = match &self.listener {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                let socket = Socket::from(OwnedFd::from(stream));
                set_nodelay(&socket);
                (socket, Some(Address::Inet(peer)))
            }
            Listener::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                let socket = Socket::from(OwnedFd::from(stream));
                let peer = peername(SockRef::from(&socket));
                (socket, peer)
            }
        };
        prepare_accepted(&socket)?;
        let local = self.name_of(&socket);
        Ok(Connected::new(socket).with_names(peer, local))
    }

    fn sockname(&self) -> Option<Address> {
        self.sockname.borrow().as_deref().cloned()
    }

    fn fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }

    fn socket(&self) -> Option<Rc<dyn AsFd>> {
        self.as_fd().try_clone_to_owned().ok().map(|socket| Rc::new(socket) as _)
    }
}

/// Refuses other sockets: mio fails to accept a connection whose peer's name is of another family, and the connection
/// is lost.
fn check_listener(family: Domain, kind: Type) -> io::Result<()> {
    if kind != Type::STREAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a stream socket was expected"));
    }
    if ![Domain::IPV4, Domain::IPV6, Domain::UNIX].contains(&family) {
        let text = "a TCP or Unix listener was expected";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_are_streams_of_the_internet_or_unix_ones() {
        for family in [Domain::IPV4, Domain::IPV6, Domain::UNIX] {
            check_listener(family, Type::STREAM).unwrap();
            assert_eq!(check_listener(family, Type::DGRAM).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        // A family that no system has. A real one, such as that of virtual machines, is treated alike.
        assert_eq!(check_listener(Domain::from(250), Type::STREAM).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
