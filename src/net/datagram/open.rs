//! From the options of a datagram endpoint to a socket that is bound or connected as they say.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use socket2::{Domain, Protocol as IpProtocol, SockAddr, Socket, Type};

use super::Opened;
use super::socket::DatagramSocket;
use crate::event_loop::LoopHandle;
use crate::interface::Address;
use crate::net::address::{Endpoint, Target};
use crate::net::address::{Family, Hints, Purpose};
use crate::net::connection::prepare;
use crate::net::system::unix_path::bind_unix;

#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) local: Option<Endpoint>,
    pub(super) remote: Option<Endpoint>,
    pub(super) hints: Hints,
    pub(super) reuse_port: bool,
    pub(super) allow_broadcast: bool,
    pub(super) socket: Option<Socket>,
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}

impl Options {
    pub(super) async fn open(mut self, event_loop: &LoopHandle) -> io::Result<Opened> {
        if let Some(socket) = self.socket.take() {
            return self.adopt(socket);
        }
        if self.is_unix() { self.open_unix().await } else { self.open_inet(event_loop).await }
    }

    fn adopt(self, socket: Socket) -> io::Result<Opened> {
        let address = self.local.is_some() || self.remote.is_some() || self.hints.family != Family::Any;
        if address || self.reuse_port || self.allow_broadcast {
            return Err(invalid("a ready socket goes with no other option"));
        }
        Ok(Opened { file: None, socket: DatagramSocket::adopt(socket)?, remote: None })
    }

    /// Whether a path, or the family, says that the socket is a Unix one.
    fn is_unix(&self) -> bool {
        let is_path = |endpoint: &Option<Endpoint>| matches!(endpoint, Some(Endpoint(Target::Unix(_))));
        is_path(&self.local) || is_path(&self.remote) || self.hints.family == Family::Unix
    }

    async fn open_unix(self) -> io::Result<Opened> {
        let (local, remote) = (path_of(self.local)?, path_of(self.remote)?);
        if matches!(self.hints.family, Family::V4 | Family::V6) {
            return Err(invalid("a path is no address of the family that was asked for"));
        }
        if self.reuse_port || self.allow_broadcast {
            return Err(invalid("a Unix socket has no port to share, and cannot broadcast"));
        }
        let (socket, file) = match local {
            Some(path) => bind_unix(&path, Type::DGRAM).await?,
            None => (Socket::new(Domain::UNIX, Type::DGRAM, None)?, None),
        };
        let opened = Opened { file, socket: DatagramSocket::adopt(socket)?, remote: None };
        if let Some(path) = remote {
            let connected = Address::unix(&path).and_then(|peer| opened.socket.connect(&peer));
            connected.map_err(|error| at("connect to", path.display(), &error))?;
        }
        Ok(opened)
    }

    async fn open_inet(mut self, event_loop: &LoopHandle) -> io::Result<Opened> {
        let locals = match self.local.take() {
            Some(local) => local.0.addresses(event_loop, self.hints, Purpose::Listen).await?,
            None => self.anywhere()?,
        };
        let remotes = match self.remote.take() {
            Some(remote) => remote.0.addresses(event_loop, self.hints, Purpose::Connect).await?,
            None => Vec::new(),
        };
        let mut first_error = None;
        for (local, remote) in pairs(&locals, &remotes) {
            match self.open_one(local, remote) {
                Ok(opened) => return Ok(opened),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| invalid("the local and the remote address are of different families")))
    }

    /// Where to receive if nobody said it: with a remote address that is the system's affair, else a free port.
    fn anywhere(&self) -> io::Result<Vec<SocketAddr>> {
        match (&self.remote, self.hints.family) {
            (Some(_), _) => Ok(Vec::new()),
            (None, Family::V4) => Ok(vec![(Ipv4Addr::UNSPECIFIED, 0).into()]),
            (None, Family::V6) => Ok(vec![(Ipv6Addr::UNSPECIFIED, 0).into()]),
            (None, Family::Any | Family::Unix) => {
                Err(invalid("a datagram endpoint needs a local address, a remote one, a family, or a socket"))
            }
        }
    }

    fn open_one(&self, local: Option<SocketAddr>, remote: Option<SocketAddr>) -> io::Result<Opened> {
        let family = Domain::for_address(local.or(remote).expect("a pair has an address"));
        let socket = Socket::new(family, Type::DGRAM, Some(IpProtocol::UDP))?;
        prepare(&socket)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if self.allow_broadcast {
            socket.set_broadcast(true)?;
        }
        if let Some(local) = local {
            socket.bind(&SockAddr::from(local)).map_err(|error| at("bind to", local, &error))?;
        }
        if let Some(remote) = remote.filter(|_| !self.allow_broadcast) {
            socket.connect(&SockAddr::from(remote)).map_err(|error| at("connect to", remote, &error))?;
        }
        Ok(Opened { file: None, socket: DatagramSocket::Inet(socket.into()), remote: remote.map(Address::Inet) })
    }
}

/// The path that is given, if something is.
fn path_of(endpoint: Option<Endpoint>) -> io::Result<Option<PathBuf>> {
    match endpoint.map(|endpoint| endpoint.0) {
        None => Ok(None),
        Some(Target::Unix(path)) => Ok(Some(path)),
        Some(Target::Invalid(reason)) => Err(invalid(reason)),
        Some(_) => Err(invalid("a path and an internet address are of different families")),
    }
}

fn at(attempt: &str, place: impl fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {attempt} {place}: {error}"))
}

/// The pairs to try, in order: of what is given on both sides those of one family, else each alone.
fn pairs(locals: &[SocketAddr], remotes: &[SocketAddr]) -> Vec<(Option<SocketAddr>, Option<SocketAddr>)> {
    if remotes.is_empty() {
        return locals.iter().map(|&local| (Some(local), None)).collect();
    }
    if locals.is_empty() {
        return remotes.iter().map(|&remote| (None, Some(remote))).collect();
    }
    let fitting = |remote: SocketAddr| locals.iter().filter(move |local| local.is_ipv4() == remote.is_ipv4());
    remotes.iter().flat_map(|&remote| fitting(remote).map(move |&local| (Some(local), Some(remote)))).collect()
}
