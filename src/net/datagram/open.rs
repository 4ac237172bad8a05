//! From the options of a datagram endpoint to its socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::Opened;
use crate::event_loop::LoopHandle;
use crate::interface::Address;
use crate::net::address::{Endpoint, Family, Hints, Purpose, Target};
use crate::net::port::{DatagramOptions, Network};

#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) local: Option<Endpoint>,
    pub(super) remote: Option<Endpoint>,
    pub(super) hints: Hints,
    pub(super) reuse_port: bool,
    pub(super) allow_broadcast: bool,
    pub(super) socket: Option<OwnedFd>,
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}

impl Options {
    pub(super) async fn open(mut self, event_loop: &LoopHandle) -> io::Result<Opened> {
        if let Some(socket) = self.socket.take() {
            return self.adopt(event_loop, socket);
        }
        if self.is_unix() { self.open_unix(event_loop).await } else { self.open_inet(event_loop).await }
    }

    fn adopt(self, event_loop: &LoopHandle, socket: OwnedFd) -> io::Result<Opened> {
        let address = self.local.is_some() || self.remote.is_some() || self.hints.family != Family::Any;
        if address || self.reuse_port || self.allow_broadcast {
            return Err(invalid("a ready socket goes with no other option"));
        }
        Ok(Opened { conduit: event_loop.network().adopt_datagrams(event_loop, socket)?, remote: None })
    }

    /// Whether the options ask for a Unix socket, by a path or by the family.
    fn is_unix(&self) -> bool {
        let is_path = |endpoint: &Option<Endpoint>| matches!(endpoint, Some(Endpoint(Target::Unix(_))));
        is_path(&self.local) || is_path(&self.remote) || self.hints.family == Family::Unix
    }

    async fn open_unix(self, event_loop: &LoopHandle) -> io::Result<Opened> {
        let (local, remote) = (path_of(self.local)?, path_of(self.remote)?);
        if matches!(self.hints.family, Family::V4 | Family::V6) {
            return Err(invalid("a path is not an address of the requested family"));
        }
        if self.reuse_port || self.allow_broadcast {
            return Err(invalid("a Unix socket has no port to share, and cannot broadcast"));
        }
        let options = DatagramOptions {
            bind_to: local.map(|path| named("bind to", &path)).transpose()?,
            connect_to: remote.map(|path| named("connect to", &path)).transpose()?,
            ..DatagramOptions::default()
        };
        Ok(Opened { conduit: event_loop.network().open_datagrams(event_loop, options).await?, remote: None })
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
            match self.open_one(event_loop, local, remote).await {
                Ok(opened) => return Ok(opened),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| invalid("the local and the remote address are of different families")))
    }

    /// Where to receive if no local address is given. With a remote address the system chooses; otherwise it is a free
    /// port.
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

    async fn open_one(
        &self,
        event_loop: &LoopHandle,
        local: Option<SocketAddr>,
        remote: Option<SocketAddr>,
    ) -> io::Result<Opened> {
        let remote = remote.map(Address::Inet);
        let options = DatagramOptions {
            bind_to: local.map(Address::Inet),
            connect_to: remote.clone().filter(|_| !self.allow_broadcast),
            reuse_port: self.reuse_port,
            allow_broadcast: self.allow_broadcast,
        };
        Ok(Opened { conduit: event_loop.network().open_datagrams(event_loop, options).await?, remote })
    }
}

/// The name of a Unix socket.
fn named(attempt: &str, path: &Path) -> io::Result<Address> {
    Address::unix(path).map_err(|error| {
        let text = format!("cannot {attempt} {}: {error}", path.display());
        io::Error::new(error.kind(), text)
    })
}

/// The path, if one is given.
fn path_of(endpoint: Option<Endpoint>) -> io::Result<Option<PathBuf>> {
    match endpoint.map(|endpoint| endpoint.0) {
        None => Ok(None),
        Some(Target::Unix(path)) => Ok(Some(path)),
        Some(Target::Invalid(reason)) => Err(invalid(reason)),
        Some(_) => Err(invalid("a path and an internet address are of different families")),
    }
}

/// The pairs to try, in order. If both sides are given, both addresses of a pair are of one family.
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
