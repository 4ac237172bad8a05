//! From hosts to addresses.
//!
//! Numeric addresses and `localhost` need no look-up. Other names are looked up by the network.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::event_loop::LoopHandle;
use crate::net::address::family::{Family, Hints};
use crate::net::port::Network;

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An empty host is this machine.
    Connect,
    /// An empty host is every interface.
    Listen,
}

/// The longest name that the domain name system allows.
const LONGEST_NAME: usize = 255;

/// The addresses of one host, each once, in the order in which to try them.
pub(crate) async fn resolve(
    event_loop: &LoopHandle,
    host: &str,
    port: u16,
    hints: Hints,
    purpose: Purpose,
) -> io::Result<Vec<SocketAddr>> {
    let addresses = match known(host, purpose) {
        Some(ips) => ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
        None => look_up(event_loop, host, port, hints).await?,
    };
    of_family(addresses, hints.family, &host)
}

/// The addresses of a host that belong to the family.
///
/// # Errors
///
/// If there is none.
pub(crate) fn of_family(
    mut addresses: Vec<SocketAddr>,
    family: Family,
    host: &dyn fmt::Display,
) -> io::Result<Vec<SocketAddr>> {
    addresses.retain(|address| family.fits(&address.ip()));
    if addresses.is_empty() {
        let text = format!("the host \"{host}\" has no address of the family {family:?}");
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
    }
    Ok(addresses)
}

/// The addresses of a host that needs no look-up.
fn known(host: &str, purpose: Purpose) -> Option<Vec<IpAddr>> {
    match (host, purpose) {
        ("", Purpose::Listen) => Some(vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()]),
        ("" | "localhost", _) => Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        (numeric, _) => numeric.parse().ok().map(|ip| vec![ip]),
    }
}

async fn look_up(event_loop: &LoopHandle, host: &str, port: u16, hints: Hints) -> io::Result<Vec<SocketAddr>> {
    // No host has such a name. To the system, a name would end at its zero byte, and might then be another host's.
    if host.len() > LONGEST_NAME || host.contains('\0') {
        let text = format!("{:?} cannot be the name of a host", host.chars().take(40).collect::<String>());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    event_loop.network().look_up(event_loop, host, port, hints).await
}
