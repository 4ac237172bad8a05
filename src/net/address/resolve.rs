//! From hosts to addresses.
//!
//! Numeric addresses and `localhost` are known without asking anyone. Other names are looked up by the system's
//! `getaddrinfo`, which blocks, so on a thread.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dns_lookup::{AddrInfoHints, LookupError, getaddrinfo};
use socket2::{Domain, Type};

use crate::event_loop::LoopHandle;
use crate::net::address::look_up_error::LookUpError;

/// Which kind of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[doc(alias = "AF_INET")]
#[doc(alias = "AF_INET6")]
#[doc(alias = "AF_UNIX")]
pub enum Family {
    /// Whatever the endpoint stands for.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// Paths and abstract names only. No host has an address of it.
    Unix,
}

impl Family {
    fn fits(self, ip: &IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
            Family::Unix => false,
        }
    }

    fn number(self) -> i32 {
        match self {
            Family::Any => 0,
            Family::V4 => Domain::IPV4.into(),
            Family::V6 => Domain::IPV6.into(),
            Family::Unix => Domain::UNIX.into(),
        }
    }
}

/// What an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An empty host is this machine.
    Connect,
    /// An empty host is every interface.
    Listen,
}

/// Which of a host's addresses are wanted: `getaddrinfo`'s hints.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hints {
    pub(crate) family: Family,
    pub(crate) proto: i32,
    pub(crate) flags: i32,
}

/// No name of the domain name system is longer.
const LONGEST_NAME: usize = 255;

/// The addresses of one host, each once, in the order in which they are to be tried.
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

/// Those of a host's addresses that are of the family.
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
    // A name that is cut short would be the name of somebody else.
    if host.len() > LONGEST_NAME || host.contains('\0') {
        let text = format!("{:?} cannot be the name of a host", host.chars().take(40).collect::<String>());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let name = host.to_owned();
    let looked_up = event_loop.core().threads.run(move || ask_system(&name, port, hints)).await;
    looked_up.map_err(|error| io::Error::new(error.kind(), format!("the name {host:?} was not looked up: {error}")))?
}

/// Blocks.
fn ask_system(host: &str, port: u16, hints: Hints) -> io::Result<Vec<SocketAddr>> {
    let hints = AddrInfoHints {
        flags: hints.flags,
        address: hints.family.number(),
        socktype: Type::STREAM.into(),
        protocol: hints.proto,
    };
    let failed = |error: LookupError| io::Error::from(LookUpError::new(host, error));
    let found = getaddrinfo(Some(host), None, Some(hints)).map_err(failed)?;
    let mut addresses = Vec::new();
    for info in found {
        let mut address = info.map_err(|error| failed(error.into()))?.sockaddr;
        address.set_port(port);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}
