//! All failed attempts to connect, as one error.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::errors::find_in;
use crate::net::port::is_unavailable;

/// None of the addresses could be connected to. This has each address that was tried, with its error. It is inside the
/// `io::Error` that connecting returns; take it out with [`ConnectError::of`].
///
/// If all attempts failed with the same kind of error, that is the kind of the `io::Error`; otherwise it is `Other`.
/// Attempts at a family of addresses that this machine cannot use at all do not count, unless there were no others.
///
/// # Examples
///
/// ```
/// use std::io::ErrorKind;
/// use waterwheel::{ConnectError, open_connection};
///
/// # fn main() -> std::io::Result<()> {
/// # let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(); // nobody listens there any more
/// # waterwheel::run(async {
/// let error = open_connection((["127.0.0.1", "127.0.0.2"], port)).await.unwrap_err();
/// let failed = ConnectError::of(&error).expect("there were addresses, and none answered");
/// for (address, why) in failed.attempts() {
///     println!("{address}: {why}");
/// }
/// assert_eq!(failed.attempts().len(), 2);
/// assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "all_errors")]
pub struct ConnectError {
    pub(super) attempts: Vec<(SocketAddr, io::Error)>,
}

impl ConnectError {
    /// The addresses in the order in which they were tried, each with its error.
    pub fn attempts(&self) -> &[(SocketAddr, io::Error)] {
        &self.attempts
    }

    /// Finds the failed attempts in `error` or in one of its sources.
    pub fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a ConnectError> {
        find_in(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (address, error)) in self.attempts.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(f, "{separator}connect to {address} failed: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.attempts.first().map(|(_, error)| error as _)
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        io::Error::new(common_kind(&error.attempts), error)
    }
}

/// The kind of error with which all attempts failed, or `Other` if they failed in different ways.
///
/// If no attempt at a family of addresses got beyond this machine, that family says nothing about the host. Many
/// machines have no IPv6: there, one address of `localhost` refuses and the other cannot be tried, and the kind should
/// be `ConnectionRefused`.
fn common_kind(attempts: &[(SocketAddr, io::Error)]) -> io::ErrorKind {
    let is_usable = |ipv4: bool| attempts.iter().any(|(to, error)| to.is_ipv4() == ipv4 && !is_out_of_reach(error));
    let usable = [is_usable(true), is_usable(false)];
    let counts = |to: &SocketAddr| usable == [false, false] || usable[usize::from(!to.is_ipv4())];
    let mut kinds = attempts.iter().filter(|(to, _)| counts(to)).map(|(_, error)| error.kind());
    let first = kinds.next().unwrap_or(io::ErrorKind::Other);
    if kinds.all(|kind| kind == first) { first } else { io::ErrorKind::Other }
}

/// Whether the error says that this machine has no route to the address.
fn is_out_of_reach(error: &io::Error) -> bool {
    is_unavailable(error) || error.kind() == io::ErrorKind::NetworkUnreachable
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind of the error that these attempts make.
    fn kind_of(attempts: &[(&str, io::Error)]) -> io::ErrorKind {
        let again = |error: &io::Error| match error.raw_os_error() {
            Some(number) => io::Error::from_raw_os_error(number),
            None => error.kind().into(),
        };
        let attempts = attempts.iter().map(|(to, error)| (SocketAddr::new(to.parse().unwrap(), 1), again(error)));
        io::Error::from(ConnectError { attempts: attempts.collect() }).kind()
    }

    #[test]
    fn a_family_that_the_machine_lacks_does_not_count() {
        use io::ErrorKind::{
            AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, Other, TimedOut,
        };
        let no_family = || io::Error::from_raw_os_error(libc::EAFNOSUPPORT);
        let refused = || io::Error::from(ConnectionRefused);
        for lacking in [no_family(), AddrNotAvailable.into(), NetworkUnreachable.into()] {
            let kind = lacking.kind();
            let again = || if kind == no_family().kind() { no_family() } else { io::Error::from(kind) };
            assert_eq!(kind_of(&[("127.0.0.1", refused()), ("::1", again())]), ConnectionRefused, "{lacking}");
            assert_eq!(kind_of(&[("::1", again()), ("127.0.0.1", refused())]), ConnectionRefused, "{lacking}");
            assert_eq!(kind_of(&[("127.0.0.1", again()), ("::1", refused())]), ConnectionRefused, "{lacking}");
            let mixed = [("127.0.0.1", refused()), ("127.0.0.2", TimedOut.into()), ("::1", again())];
            assert_eq!(kind_of(&mixed), Other, "{lacking}");
            // There are no other attempts.
            assert_eq!(kind_of(&[("::1", again())]), kind, "{lacking}");
            assert_eq!(kind_of(&[("127.0.0.1", again()), ("::1", again())]), kind, "{lacking}");
        }
        // The family is usable, and one of its addresses cannot be reached: that counts like any other failure.
        let reached = [("127.0.0.1", refused()), ("192.0.2.1", NetworkUnreachable.into())];
        assert_eq!(kind_of(&reached), Other);
        assert_eq!(kind_of(&[("127.0.0.1", refused()), ("::1", HostUnreachable.into())]), Other);
        assert_eq!(kind_of(&[]), Other);
    }
}
