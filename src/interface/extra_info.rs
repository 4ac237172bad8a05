//! What is known of a connection besides its bytes.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;

use socket2::{SockAddr, SockRef};

/// The name of one end of a connection.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// An internet address and port.
    Inet(SocketAddr),
    /// A Unix socket's name: a path, an abstract name, or no name at all.
    Unix(Rc<SockAddr>),
}

impl Address {
    /// The internet address, if it is one.
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Address::Inet(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// The path, if it is the name of a Unix socket that has one.
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Address::Inet(_) => None,
            Address::Unix(name) => name.as_pathname(),
        }
    }

    /// The address of a socket's name, if it is of a kind that is known here. Once for each connection: not inlined.
    #[inline(never)]
    pub(crate) fn from_sock_addr(name: SockAddr) -> Option<Address> {
        match name.as_socket() {
            Some(address) => Some(Address::Inet(address)),
            None if name.is_unix() => Some(Address::Unix(Rc::new(name))),
            None => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(address) => address.fmt(f),
            Address::Unix(name) => match (name.as_pathname(), name.as_abstract_namespace()) {
                (Some(path), _) => path.display().fmt(f),
                (_, Some(name)) => write!(f, "@{}", String::from_utf8_lossy(name)),
                _ => f.write_str("(unnamed)"),
            },
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The names of both ends of a connection, and its socket. The names were taken when the connection was made and
/// stay readable after it is closed.
#[derive(Clone)]
#[doc(alias = "get_extra_info")]
pub struct ExtraInfo {
    pub(crate) peername: Option<Address>,
    pub(crate) sockname: Option<Address>,
    pub(crate) socket: Option<Rc<dyn AsFd>>,
    /// What a layer between the transport and the protocol has to say; only that layer knows its type.
    pub(crate) layer: Option<Rc<dyn Any>>,
}

impl ExtraInfo {
    /// The other end's name; `None` where there is none, as for a peer that was gone before it could be asked.
    pub fn peername(&self) -> Option<&Address> {
        self.peername.as_ref()
    }

    /// Our end's name.
    pub fn sockname(&self) -> Option<&Address> {
        self.sockname.as_ref()
    }

    /// The socket, to read and set its options; `None` once the connection is lost. Do not keep the `ExtraInfo`
    /// for long: the socket is only closed when the last one is gone.
    pub fn socket(&self) -> Option<SockRef<'_>> {
        self.socket.as_ref().map(SockRef::from)
    }
}

impl fmt::Debug for ExtraInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtraInfo")
            .field("peername", &self.peername)
            .field("sockname", &self.sockname)
            .field("socket", &self.socket.as_ref().map(|socket| socket.as_fd()))
            .field("layered", &self.layer.is_some())
            .finish()
    }
}
