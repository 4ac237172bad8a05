//! From hosts to addresses.
//!
//! Numeric addresses and `localhost` are known without asking anyone. Names that have to be looked up are refused
//! for now: a look-up blocks, so it needs threads.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An empty host is this machine.
    Connect,
    /// An empty host is every interface.
    Listen,
}

/// The addresses of one host, in the order in which they are to be tried.
pub(crate) fn resolve(host: &str, port: u16, purpose: Purpose) -> io::Result<Vec<SocketAddr>> {
    let ips = match (host, purpose) {
        ("", Purpose::Listen) => vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
        ("" | "localhost", _) => vec![IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)],
        (numeric, _) => vec![numeric.parse().map_err(|_| {
            let text = format!("the host {numeric:?} is neither a numeric address nor localhost");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?],
    };
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}
