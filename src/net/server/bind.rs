//! Binding to all addresses of a server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::event_loop::LoopHandle;
use crate::interface::Address;
use crate::net::port::{Acceptor, BindOptions, Network, is_unavailable};

/// Binds to every address, or to none: if one bind fails, the sockets that were bound are closed. An address that this
/// machine does not have is skipped, as long as another one can be bound.
pub(super) async fn bind_all(
    event_loop: &LoopHandle,
    addresses: &[SocketAddr],
    options: BindOptions,
) -> io::Result<Vec<Box<dyn Acceptor>>> {
    let mut bound = Vec::new();
    let mut missing = None;
    for &address in addresses {
        match event_loop.network().bind(event_loop, &Address::Inet(address), options).await {
            Ok(acceptor) => bound.push(acceptor),
            Err(error) if is_unavailable(&error) => missing = Some(cannot_bind(&address, &error)),
            Err(error) => return Err(cannot_bind(&address, &error)),
        }
    }
    match missing {
        Some(error) if bound.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

/// Binds to a path or an abstract name.
pub(super) async fn bind_unix(
    event_loop: &LoopHandle,
    path: &Path,
    options: BindOptions,
) -> io::Result<Box<dyn Acceptor>> {
    let failed = |error| cannot_bind(&path.display(), &error);
    let address = Address::unix(path).map_err(failed)?;
    event_loop.network().bind(event_loop, &address, options).await.map_err(failed)
}

fn cannot_bind(place: &dyn fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot bind to {place}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_loop::EventLoop;

    #[test]
    fn an_address_or_a_family_that_this_machine_lacks_is_told_by_the_system_s_own_number() {
        // By its standard, this address belongs to no machine.
        let nobody_s = Address::Inet("192.0.2.1:0".parse().unwrap());
        let mut event_loop = EventLoop::new().unwrap();
        let handle = event_loop.handle();
        let bound = event_loop.run(handle.network().bind(&handle, &nobody_s, BindOptions::default()));
        let error = bound.err().unwrap();
        assert!(error.raw_os_error().is_some() && is_unavailable(&error), "{error:?}");
        assert!(is_unavailable(&io::Error::from_raw_os_error(libc::EAFNOSUPPORT)));
        assert!(!is_unavailable(&io::ErrorKind::AddrInUse.into()));
    }
}
