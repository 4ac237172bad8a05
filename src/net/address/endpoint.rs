//! Where to connect to or to listen on, in all the forms that a user may give.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::event_loop::LoopHandle;
use crate::net::address::family::Hints;
use crate::net::address::resolve::{Purpose, of_family, resolve};

/// Where to connect to or to listen on: a host and port, an address, the path of a Unix socket, or a socket that is
/// ready (asyncio's `sock=`). A string is a host and port, and a [`Path`] is a path; a path that begins with a zero
/// byte is a name of Linux's abstract namespace.
///
/// Programs need not name this type. Every type that converts into it may be given as an endpoint:
///
/// ```no_run
/// # async fn examples() -> std::io::Result<()> {
/// use std::path::Path;
/// use waterwheel::{open_connection, start_server};
/// # let handler = |_, _| {};
///
/// open_connection(("localhost", 8888)).await?;
/// open_connection("[::1]:8888").await?;
/// open_connection(std::net::TcpStream::connect("127.0.0.1:8888")?).await?;
/// start_server(handler, (["127.0.0.1", "::1"], 8888)).await?;
/// start_server(handler, ("", 8888)).await?; // every interface
/// start_server(handler, Path::new("/run/echo.sock")).await?;
/// # Ok(())
/// # }
/// ```
pub struct Endpoint(pub(crate) Target);

pub(crate) enum Target {
    /// Names or numeric addresses, and a port. For a server an empty name is every interface.
    Hosts(Vec<String>, u16),
    Address(SocketAddr),
    /// The path of a Unix socket, or an abstract name.
    Unix(PathBuf),
    /// A socket made by the caller: connected for a client, bound for a server.
    Socket(OwnedFd),
    /// The reason why a string is not a valid endpoint. A conversion cannot fail, so the error comes when the endpoint
    /// is used.
    Invalid(String),
}

impl Endpoint {
    pub(crate) fn unix(path: impl AsRef<Path>) -> Self {
        Endpoint(Target::Unix(path.as_ref().to_owned()))
    }
}

impl Target {
    /// The internet addresses that the target stands for, each once.
    pub(crate) async fn addresses(
        self,
        event_loop: &LoopHandle,
        hints: Hints,
        purpose: Purpose,
    ) -> io::Result<Vec<SocketAddr>> {
        let (hosts, port) = match self {
            Target::Address(address) => return of_family(vec![address], hints.family, &address.ip()),
            Target::Hosts(hosts, port) => (hosts, port),
            Target::Invalid(reason) => return Err(invalid(&reason)),
            Target::Unix(_) | Target::Socket(_) => return Err(invalid("an internet address was expected")),
        };
        if hosts.is_empty() {
            return Err(invalid("no host was given"));
        }
        let mut addresses = Vec::new();
        for host in hosts {
            for address in resolve(event_loop, &host, port, hints, purpose).await? {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
        }
        Ok(addresses)
    }

    /// The name or address by which a client may expect its server to be known. Also `None` for an empty host, which
    /// stands for this machine and is not a name.
    ///
    /// # Errors
    ///
    /// If the target was made from a string that is not a valid endpoint.
    pub(crate) fn host(&self) -> io::Result<Option<String>> {
        match self {
            Target::Hosts(hosts, _) => Ok(hosts.first().filter(|host| !host.is_empty()).cloned()),
            Target::Address(address) => Ok(Some(address.ip().to_string())),
            Target::Unix(_) | Target::Socket(_) => Ok(None),
            Target::Invalid(reason) => Err(invalid(reason)),
        }
    }

    /// Hosts that were given separately from the port. They must not have brackets.
    fn hosts(hosts: Vec<String>, port: u16) -> Target {
        match hosts.iter().find(|host| host.starts_with('[')) {
            Some(host) => Target::Invalid(format!(
                "the host {host:?} has brackets, which are for a text with a port, as \"[::1]:80\": give it without"
            )),
            None => Target::Hosts(hosts, port),
        }
    }

    fn parse(text: &str) -> Target {
        if let Ok(address) = text.parse() {
            return Target::Address(address);
        }
        match split(text) {
            Ok((host, port)) => Target::hosts(vec![host.to_owned()], port),
            Err(reason) => Target::Invalid(format!("{text:?} {reason}")),
        }
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}

/// The host and the port of `"host:port"` or `"[host]:port"`. Only a host in brackets may have colons: without them,
/// it is ambiguous whether `"::1:80"` has a port.
///
/// # Errors
///
/// What is wrong with the text, as the end of a sentence that begins with the text.
fn split(text: &str) -> Result<(&str, u16), String> {
    const FORM: &str = "is not of the form \"host:port\"";
    let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or(FORM)?,
        None if is_ipv6(host) || is_ipv6(text) => {
            return Err(format!("{FORM}: an IPv6 address stands in brackets, as in \"[::1]:80\""));
        }
        None if host.contains(':') => return Err(FORM.to_owned()),
        None => host,
    };
    // The standard library accepts a plus sign in front of a number.
    let number = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let number = number.and_then(|port| port.parse().ok());
    Ok((host, number.ok_or_else(|| format!("has an invalid port: {port:?} is not a number from 0 to 65535"))?))
}

fn is_ipv6(text: &str) -> bool {
    let (address, _scope) = text.split_once('%').unwrap_or((text, ""));
    address.parse::<Ipv6Addr>().is_ok()
}

macro_rules! endpoint_from {
    ($([$($generics:tt)*] $from:ty: $value:pat => $target:expr;)*) => {$(
        impl<$($generics)*> From<$from> for Endpoint {
            fn from($value: $from) -> Self {
                Endpoint($target)
            }
        }
    )*};
}

endpoint_from! {
    // "host:port", with an IPv6 address in brackets.
    [] &str: text => Target::parse(text);
    [] String: text => Target::parse(&text);
    [] &String: text => Target::parse(text);
    [] (&str, u16): (host, port) => Target::hosts(vec![host.to_owned()], port);
    [] (String, u16): (host, port) => Target::hosts(vec![host], port);
    [] (&String, u16): (host, port) => Target::hosts(vec![host.clone()], port);
    [H: Into<String>] (Vec<H>, u16): (hosts, port) => Target::hosts(hosts.into_iter().map(Into::into).collect(), port);
    [H: Into<String>, const N: usize] ([H; N], u16): (hosts, port) => {
        Target::hosts(hosts.into_iter().map(Into::into).collect(), port)
    };
    [] SocketAddr: address => Target::Address(address);
    [] SocketAddrV4: address => Target::Address(address.into());
    [] SocketAddrV6: address => Target::Address(address.into());
    [] (IpAddr, u16): address => Target::Address(address.into());
    [] (Ipv4Addr, u16): address => Target::Address(address.into());
    [] (Ipv6Addr, u16): address => Target::Address(address.into());
    [] PathBuf: path => Target::Unix(path);
    [] &PathBuf: path => Target::Unix(path.clone());
    [] &Path: path => Target::Unix(path.to_owned());
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::Hosts(hosts, port) => write!(f, "Endpoint({hosts:?}, {port})"),
            Target::Address(address) => write!(f, "Endpoint({address})"),
            Target::Unix(path) => write!(f, "Endpoint({})", path.display()),
            Target::Socket(socket) => write!(f, "Endpoint({socket:?})"),
            Target::Invalid(reason) => write!(f, "Endpoint(invalid: {reason})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_pairs_say_hosts_and_addresses() {
        for (endpoint, expected) in [
            (Endpoint::from("127.0.0.1:80"), "Endpoint(127.0.0.1:80)"),
            (Endpoint::from("[::1]:80"), "Endpoint([::1]:80)"),
            (Endpoint::from("localhost:80"), "Endpoint([\"localhost\"], 80)"),
            (Endpoint::from(":80"), "Endpoint([\"\"], 80)"),
            (Endpoint::from(("::1", 80)), "Endpoint([\"::1\"], 80)"),
            (Endpoint::from((["a", "b"], 80)), "Endpoint([\"a\", \"b\"], 80)"),
            (Endpoint::from(Path::new("/run/socket")), "Endpoint(/run/socket)"),
            (Endpoint::from("[fe80::1%lo]:80"), "Endpoint([\"fe80::1%lo\"], 80)"),
            (
                Endpoint::from("::1:80"),
                "Endpoint(invalid: \"::1:80\" is not of the form \"host:port\": an IPv6 address stands in brackets, as in \"[::1]:80\")",
            ),
            (Endpoint::from("nowhere"), "Endpoint(invalid: \"nowhere\" is not of the form \"host:port\")"),
            (
                Endpoint::from("http://host:80"),
                "Endpoint(invalid: \"http://host:80\" is not of the form \"host:port\")",
            ),
            (
                Endpoint::from("host:65536"),
                "Endpoint(invalid: \"host:65536\" has an invalid port: \"65536\" is not a number from 0 to 65535)",
            ),
            (
                Endpoint::from("host:+80"),
                "Endpoint(invalid: \"host:+80\" has an invalid port: \"+80\" is not a number from 0 to 65535)",
            ),
        ] {
            assert_eq!(format!("{endpoint:?}"), expected);
        }
    }
}
