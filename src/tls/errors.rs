//! What can go wrong with TLS, by cause.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use crate::errors::{ConnectionError, find_in};

/// Why a TLS connection failed. The `io::Error` or [`ConnectionError`] that reports the failure contains it; find it
/// with [`TlsError::of`]. If rustls found the fault, its error is the `source`.
///
/// # Examples
///
/// A peer accepts the connection, and then sends nothing:
///
/// ```
/// use std::net::TcpListener;
/// use std::time::Duration;
/// use waterwheel::{TlsClient, TlsError, TlsErrorKind, open_connection};
///
/// # fn main() -> std::io::Result<()> {
/// # let cert = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("the name is good").cert.pem();
/// let limit = Duration::from_millis(20);
/// let silent = TcpListener::bind("127.0.0.1:0")?;
/// let connecting = open_connection(silent.local_addr()?).tls(TlsClient::with_roots(cert)?);
/// let error = waterwheel::run(async { connecting.tls_handshake_timeout(limit).await.unwrap_err() });
/// assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::HandshakeTimedOut(limit)));
/// # Ok(())
/// # }
/// ```
///
/// A peer that does not read cannot agree on the end of the session either:
///
/// ```
/// use std::time::Duration;
/// use waterwheel::{StreamReader, StreamWriter, TlsClient, TlsError, TlsErrorKind, TlsServer};
/// use waterwheel::{open_connection, start_server};
///
/// async fn busy(_reader: StreamReader, _writer: StreamWriter) {
///     std::future::pending().await
/// }
///
/// # fn main() -> std::io::Result<()> {
/// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("the name is good");
/// # let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
/// waterwheel::run(async {
///     let limit = Duration::from_millis(20);
///     let server = start_server(busy, "127.0.0.1:0").tls(TlsServer::new(&cert, key)?).await?;
///     let to = ("localhost", server.local_addrs()[0].port());
///     let connecting = open_connection(to).tls(TlsClient::with_roots(&cert)?).tls_shutdown_timeout(limit);
///     let (_reader, writer) = connecting.await?;
///     writer.write(&vec![0; 20_000_000]);
///     writer.close();
///     let error = writer.wait_closed().await.unwrap_err();
///     assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::ShutdownTimedOut(limit)));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone)]
pub struct TlsError {
    kind: TlsErrorKind,
    engine: Option<rustls::Error>,
}

/// The cause of a [`TlsError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// The peer's certificate was not signed by an authority that is trusted here. A self-signed certificate that is
    /// not trusted has this fault, too.
    UnknownIssuer,
    /// The certificate is for other names or addresses.
    WrongName,
    /// The certificate is no longer valid.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// The peer's certificate has another fault, or the peer has none. A self-signed certificate that is made for an
    /// authority (CA:TRUE) is reported like this, whether or not it is trusted.
    BadCertificate,
    /// Both sides offered application protocols (ALPN), but have none in common.
    NoCommonAlpn,
    /// The peer ended the handshake with an alert. It does not accept our certificate, our versions or our ciphers.
    Refused,
    /// The peer sent something that is not TLS, or that violates the protocol.
    Protocol,
    /// The handshake took longer than this.
    HandshakeTimedOut(Duration),
    /// The connection ended during the handshake.
    ClosedInHandshake,
    /// For this long, the peer neither received the remaining bytes nor answered our end of the session.
    ShutdownTimedOut(Duration),
    /// The connection ended before the TLS session did, so the received data may be incomplete.
    Truncated,
    /// This many bytes of plain text had been received, but not read, when TLS was about to start.
    PlaintextBefore(usize),
}

impl TlsError {
    /// The cause.
    pub fn kind(&self) -> TlsErrorKind {
        self.kind
    }

    /// Finds the TLS error in `error` or in one of its sources.
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a TlsError> {
        find_in(error)
    }

    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self.kind {
            TlsErrorKind::HandshakeTimedOut(_) | TlsErrorKind::ShutdownTimedOut(_) => io::ErrorKind::TimedOut,
            TlsErrorKind::ClosedInHandshake => io::ErrorKind::ConnectionReset,
            TlsErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        }
    }
}

impl From<TlsErrorKind> for TlsError {
    fn from(kind: TlsErrorKind) -> Self {
        TlsError { kind, engine: None }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        let kind = match &error {
            rustls::Error::InvalidCertificate(fault) => kind_of_certificate(fault),
            rustls::Error::NoCertificatesPresented => TlsErrorKind::BadCertificate,
            rustls::Error::NoApplicationProtocol => TlsErrorKind::NoCommonAlpn,
            rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => TlsErrorKind::NoCommonAlpn,
            rustls::Error::AlertReceived(_) => TlsErrorKind::Refused,
            _ => TlsErrorKind::Protocol,
        };
        TlsError { kind, engine: Some(error) }
    }
}

fn kind_of_certificate(fault: &CertificateError) -> TlsErrorKind {
    match fault {
        CertificateError::UnknownIssuer => TlsErrorKind::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsErrorKind::WrongName,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsErrorKind::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsErrorKind::NotYetValid,
        _ => TlsErrorKind::BadCertificate,
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = match self.kind {
            TlsErrorKind::HandshakeTimedOut(limit) => {
                return write!(f, "the TLS handshake timed out: it took longer than {limit:?}");
            }
            TlsErrorKind::ShutdownTimedOut(limit) => {
                return write!(f, "the TLS shutdown timed out: the peer did not answer within {limit:?}");
            }
            TlsErrorKind::PlaintextBefore(bytes) => {
                return write!(f, "{bytes} bytes of plain text were received before TLS was started");
            }
            TlsErrorKind::ClosedInHandshake => "the connection was closed during the TLS handshake",
            TlsErrorKind::Truncated => "the connection ended without the end of the TLS session (close_notify)",
            TlsErrorKind::UnknownIssuer => "the TLS certificate has an unknown issuer",
            TlsErrorKind::WrongName => "the TLS certificate is for another name",
            TlsErrorKind::Expired => "the TLS certificate has expired",
            TlsErrorKind::NotYetValid => "the TLS certificate is not valid yet",
            TlsErrorKind::BadCertificate => "the TLS certificate is invalid",
            TlsErrorKind::NoCommonAlpn => "the peer speaks none of our application protocols (no common ALPN)",
            TlsErrorKind::Refused => "the peer refused the TLS connection",
            TlsErrorKind::Protocol => "the peer violates the TLS protocol",
        };
        f.write_str(sentence)?;
        // rustls' own text says which names, times or alert it was.
        match &self.engine {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) | None => Ok(()),
            // The text of the inner error is easier to read than that of this one.
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(fault))) => match words_for(&*fault.0) {
                Some(words) => write!(f, ": {words}"),
                None => write!(f, ": {}", fault.0),
            },
            Some(rustls::Error::InvalidCertificate(fault)) => write!(f, ": {fault}"),
            Some(error) => write!(f, ": {error}"),
        }
    }
}

/// Explains two common faults of certificates, for which rustls has only a name.
fn words_for(fault: &(dyn Error + 'static)) -> Option<&'static str> {
    match fault.downcast_ref()? {
        webpki::Error::CaUsedAsEndEntity => Some(
            "it is an authority's (CA:TRUE), as self-signed ones often are by default; a peer's own must have CA:FALSE",
        ),
        webpki::Error::UnsupportedCertVersion => Some(
            "it is of an old version, which cannot say for which names it is; one of version 3 with a subjectAltName is \
             needed",
        ),
        _ => None,
    }
}

/// Includes the text, since this is printed if `main` returns the error.
impl fmt::Debug for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsError({:?}: {self})", self.kind)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.engine.as_ref().map(|error| error as _)
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        io::Error::new(error.io_kind(), error)
    }
}

impl From<TlsError> for ConnectionError {
    fn from(error: TlsError) -> Self {
        io::Error::from(error).into()
    }
}

/// The error for a configuration that cannot be used.
pub(super) fn bad_config(error: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("this cannot be used for TLS: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_in_a_shared_error_too() {
        let lost = ConnectionError::from(TlsError::from(TlsErrorKind::Truncated));
        let also_held = lost.clone();
        let error = io::Error::from(lost);
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::Truncated));
        assert_eq!(TlsError::of(&also_held).map(TlsError::kind), Some(TlsErrorKind::Truncated));
        assert!(TlsError::of(&io::Error::other("something else")).is_none());
    }

    #[test]
    fn a_fault_that_has_no_name_here_says_what_it_is() {
        let fault = rustls::OtherError(std::sync::Arc::new(io::Error::other("a fault of its own")));
        let error = TlsError::from(rustls::Error::from(CertificateError::Other(fault)));
        assert_eq!(error.kind(), TlsErrorKind::BadCertificate);
        assert_eq!(error.to_string(), "the TLS certificate is invalid: a fault of its own");
    }

    #[test]
    fn what_rustls_found_is_the_source() {
        let error = io::Error::from(TlsError::from(rustls::Error::from(CertificateError::UnknownIssuer)));
        assert_eq!(error.to_string(), "the TLS certificate has an unknown issuer");
        assert!(error.source().is_some_and(|source| source.is::<rustls::Error>()));
    }
}
