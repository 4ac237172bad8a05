//! Dialling: one of several internet addresses, or a Unix path.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::event_loop::LoopHandle;
use crate::interface::Address;
use crate::net::client::connect_error::ConnectError;
use crate::net::client::race::race;
use crate::net::connection::Connected;
use crate::net::port::Network;

/// Races the addresses for a connection. If local addresses are given, each attempt binds to the first one of its
/// family that it can.
pub(super) async fn dial_first(
    event_loop: &LoopHandle,
    addresses: &[SocketAddr],
    local: &[SocketAddr],
    delay: Option<Duration>,
) -> io::Result<Connected> {
    let attempts = addresses.iter().map(|&address| dial_one(event_loop, address, local)).collect();
    match race(attempts, delay).await {
        Ok(connection) => Ok(connection),
        Err(errors) => Err(ConnectError { attempts: addresses.iter().copied().zip(errors).collect() }.into()),
    }
}

async fn dial_one(event_loop: &LoopHandle, address: SocketAddr, local: &[SocketAddr]) -> io::Result<Connected> {
    let from: Vec<_> = local.iter().filter(|local| local.is_ipv4() == address.is_ipv4()).copied().collect();
    if from.is_empty() && !local.is_empty() {
        let text = format!("no local address of the family of {address} was given");
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
    }
    event_loop.network().connect(event_loop, &Address::Inet(address), &from).await
}

pub(super) async fn dial_unix(event_loop: &LoopHandle, path: &Path) -> io::Result<Connected> {
    let failed = |error: io::Error| {
        let text = format!("connect to {} failed: {error}", path.display());
        io::Error::new(error.kind(), text)
    };
    let address = Address::unix(path).map_err(failed)?;
    event_loop.network().connect(event_loop, &address, &[]).await.map_err(failed)
}
