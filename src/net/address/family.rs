//! Which of a host's addresses are wanted.

use std::net::IpAddr;

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[doc(alias = "AF_INET")]
#[doc(alias = "AF_INET6")]
#[doc(alias = "AF_UNIX")]
pub enum Family {
    /// Any family.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// Unix sockets only, which have paths or abstract names. A host has no address of this family.
    Unix,
}

impl Family {
    pub(crate) fn fits(self, ip: &IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
            Family::Unix => false,
        }
    }
}

/// Which of a host's addresses are wanted: the hints of `getaddrinfo`.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Hints {
    /// Addresses of this family only.
    pub family: Family,
    /// The number of the protocol that the addresses are for; 0 is any.
    pub proto: i32,
    /// The flags of `getaddrinfo` (`AI_…`).
    pub flags: i32,
}
