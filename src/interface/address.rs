//! The names of sockets, of whatever family.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net;
use std::path::Path;
use std::rc::Rc;

use socket2::SockAddr;

/// The name of a socket: one end of a connection, or the sender of a datagram.
///
/// # Examples
///
/// ```
/// use waterwheel::Address;
///
/// /// Describes a peer for a human reader.
/// fn describe(peer: &Address) -> String {
///     match (peer.as_inet(), peer.as_path()) {
///         (Some(inet), _) => format!("port {} of {}", inet.port(), inet.ip()),
///         (_, Some(path)) => format!("whoever listens on {}", path.display()),
///         _ => format!("a process that calls itself {peer}"),
///     }
/// }
///
/// let inet = std::net::SocketAddr::from(([192, 0, 2, 1], 80));
/// assert_eq!(describe(&inet.into()), "port 80 of 192.0.2.1");
/// assert_eq!(describe(&Address::unix("/run/echo.sock")?), "whoever listens on /run/echo.sock");
/// # #[cfg(target_os = "linux")]
/// assert_eq!(describe(&Address::unix("\0echo")?), "a process that calls itself @echo");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An internet address and port.
    Inet(SocketAddr),
    /// A Unix socket's name: a path, an abstract name, or no name at all.
    Unix(Rc<SockAddr>),
}

impl Address {
    /// The name of a Unix socket with this path. A path that begins with a zero byte is a name of Linux's abstract
    /// namespace.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path is empty or too long, or if it contains a zero byte and is not an abstract name.
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::Address;
    ///
    /// assert_eq!(Address::unix("/run/echo.sock")?.to_string(), "/run/echo.sock");
    /// assert_eq!(Address::unix("\0echo")?.to_string(), "@echo");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unix(path: impl AsRef<Path>) -> io::Result<Address> {
        let path = path.as_ref();
        let refused = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        match path.as_os_str().as_bytes() {
            [] => return refused("the path is empty"),
            [first, ..] if *first == 0 => {}
            bytes if bytes.contains(&0) => return refused("the path has a zero byte in it"),
            _ => {}
        }
        Ok(Address::Unix(Rc::new(SockAddr::unix(path)?)))
    }

    /// The internet address, if it is one.
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Address::Inet(address) => Some(*address),
            Address::Unix(_) => None,
        }
    }

    /// The path, if this is the name of a Unix socket that has one.
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Address::Inet(_) => None,
            Address::Unix(name) => name.as_pathname(),
        }
    }

    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Address::Unix(_))
    }

    /// Whether the name is empty, like that of a Unix socket that was never bound.
    pub(crate) fn is_unnamed(&self) -> bool {
        matches!(self, Address::Unix(name) if name.is_unnamed())
    }

    /// The address in the form that the system takes.
    pub(crate) fn to_sock_addr(&self) -> SockAddr {
        match self {
            Address::Inet(address) => SockAddr::from(*address),
            Address::Unix(name) => SockAddr::clone(name),
        }
    }

    /// Converts a socket's name, if it is an internet address or a Unix name. Not inlined, since it is called only
    /// once for each connection.
    #[inline(never)]
    pub(crate) fn from_sock_addr(name: SockAddr) -> Option<Address> {
        match name.as_socket() {
            Some(address) => Some(Address::Inet(address)),
            None if name.is_unix() => Some(Address::Unix(Rc::new(name))),
            None => None,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Inet(address)
    }
}

impl From<net::SocketAddr> for Address {
    /// Converts the standard library's name of a Unix socket.
    fn from(name: net::SocketAddr) -> Self {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let abstract_name = name.as_abstract_name().map(|name| [b"\0", name].concat());
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let abstract_name: Option<Vec<u8>> = None;
        let path = match &abstract_name {
            Some(bytes) => Path::new(OsStr::from_bytes(bytes)),
            None => name.as_pathname().unwrap_or(Path::new("")),
        };
        // An empty path makes an empty name, and so does a path that is too long for a `SockAddr`.
        let name = SockAddr::unix(path).or_else(|_| SockAddr::unix("")).expect("the empty path is not too long");
        Address::Unix(Rc::new(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_std_gives_is_the_one_that_its_path_makes() {
        let path = net::SocketAddr::from_pathname("/tmp/some socket").unwrap();
        assert_eq!(Address::from(path), Address::unix("/tmp/some socket").unwrap());
        let (unnamed, _) = net::UnixDatagram::pair().unwrap();
        let unnamed = Address::from(unnamed.local_addr().unwrap());
        assert!(unnamed.is_unnamed() && unnamed.as_path().is_none());
        #[cfg(target_os = "linux")]
        {
            let name = net::SocketAddr::from_abstract_name(b"some\0name").unwrap();
            assert_eq!(Address::from(name), Address::unix("\0some\0name").unwrap());
        }
    }
}
