//! Looking up names and addresses by `getaddrinfo` and `getnameinfo`, which block and therefore run on a thread.

use std::io;
use std::net::SocketAddr;
use std::panic::{Location, resume_unwind};

use dns_lookup::{AddrInfoHints, LookupError, LookupErrorKind, getaddrinfo, getnameinfo};
use socket2::{Domain, Type};

use crate::event_loop::LoopHandle;
use crate::net::address::{Family, LookUpError, LookUpErrorKind};
use crate::net::port::Hints;
use crate::threads::JobError;

pub(super) async fn look_up(
    event_loop: &LoopHandle,
    host: &str,
    port: u16,
    hints: Hints,
) -> io::Result<Vec<SocketAddr>> {
    let name = host.to_owned();
    on_thread(event_loop, &format!("the name {host:?}"), move || ask(&name, port, hints)).await
}

pub(super) async fn look_up_name(
    event_loop: &LoopHandle,
    address: SocketAddr,
    flags: i32,
) -> io::Result<(String, String)> {
    let look_up = move || getnameinfo(&address, flags).map_err(|error| failed(&address.to_string(), error));
    on_thread(event_loop, &format!("the address {address}"), look_up).await
}

async fn on_thread<T: Send + 'static>(
    event_loop: &LoopHandle,
    what: &str,
    look_up: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    match event_loop.core().threads.run(look_up, Location::caller()).await {
        Ok(found) => found,
        Err(JobError::NoThread(error)) => {
            Err(io::Error::new(error.kind(), format!("{what} could not be looked up: {error}")))
        }
        Err(JobError::Panicked(payload)) => resume_unwind(payload),
    }
}

/// Looks the name up. This blocks.
fn ask(host: &str, port: u16, hints: Hints) -> io::Result<Vec<SocketAddr>> {
    let hints = AddrInfoHints {
        flags: hints.flags,
        address: number_of(hints.family),
        socktype: Type::STREAM.into(),
        protocol: hints.proto,
    };
    let found = getaddrinfo(Some(host), None, Some(hints)).map_err(|error| failed(host, error))?;
    let mut addresses = Vec::new();
    for info in found {
        let mut address = info.map_err(|error| failed(host, error.into()))?.sockaddr;
        address.set_port(port);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

fn number_of(family: Family) -> i32 {
    match family {
        Family::Any => 0,
        Family::V4 => Domain::IPV4.into(),
        Family::V6 => Domain::IPV6.into(),
        Family::Unix => Domain::UNIX.into(),
    }
}

fn failed(host: &str, error: LookupError) -> io::Error {
    let kind = match error.kind() {
        LookupErrorKind::NoName | LookupErrorKind::NoData => LookUpErrorKind::NoSuchName,
        LookupErrorKind::Again => LookUpErrorKind::TryAgain,
        _ => LookUpErrorKind::Other,
    };
    LookUpError::new(host, kind, error.into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_may_be_found_later_is_told_from_one_that_is_none() {
        // The error of `getaddrinfo` if no name server answers. It is made here, since provoking it would need a name
        // server.
        let error = failed("some.host", LookupError::new(libc::EAI_AGAIN));
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().starts_with("the name \"some.host\" could not be looked up for now: "), "{error}");
        let inner = LookUpError::of(&error).unwrap();
        assert_eq!((inner.host(), inner.kind()), ("some.host", LookUpErrorKind::TryAgain));
        assert!(format!("{error:?}").contains(&error.to_string()), "{error:?}");
    }

    #[test]
    fn a_failure_of_the_system_keeps_its_kind() {
        let error = failed("some.host", io::Error::from(io::ErrorKind::PermissionDenied).into());
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(LookUpError::of(&error).map(LookUpError::kind), Some(LookUpErrorKind::Other));
    }
}
