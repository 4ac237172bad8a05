//! What may go wrong with TLS, told apart by cause.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};

use crate::errors::{ConnectionError, find_in};

/// Why a TLS connection failed. It is inside the `io::Error`, or the [`ConnectionError`], that reports it; take it out
/// with [`TlsError::of`]. Where rustls found the fault, its error is the `source`.
#[derive(Clone)]
pub struct TlsError {
    kind: TlsErrorKind,
    engine: Option<rustls::Error>,
}

/// The cause of a [`TlsError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// Nobody whom we trust has signed the peer's certificate. A self-signed one that is not trusted is a case of it.
    UnknownIssuer,
    /// The certificate is for other names or addresses.
    WrongName,
    /// The certificate is no longer valid.
    Expired,
    /// The certificate is not valid yet.
    NotYetValid,
    /// Another fault of the peer's certificate, or it has none. One that is self-signed as an authority's (CA:TRUE) is
    /// a case of it, whether or not it is trusted.
    BadCertificate,
    /// Both sides named application protocols (ALPN), and have none in common.
    NoCommonAlpn,
    /// The peer broke off with an alert: it does not like our certificate, our versions or our ciphers.
    Refused,
    /// The peer sent what is not TLS, or not as it should be.
    Protocol,
    /// The handshake took longer than it may.
    HandshakeTimedOut(Duration),
    /// The connection ended during the handshake.
    ClosedInHandshake,
    /// The peer did not take what was left to send, or did not answer our end of the session, for this long.
    ShutdownTimedOut(Duration),
    /// The connection ended without the end of the TLS session: what came may not be all that was sent.
    Truncated,
    /// So many bytes had come in plain text, and were not read, when TLS was to start.
    PlaintextBefore(usize),
}

impl TlsError {
    /// The cause.
    pub fn kind(&self) -> TlsErrorKind {
        self.kind
    }

    /// The TLS error in `error`, if there is one in it: in an `io::Error` or a [`ConnectionError`], however they are
    /// nested.
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
            TlsErrorKind::UnknownIssuer => "the TLS certificate is of an unknown issuer",
            TlsErrorKind::WrongName => "the TLS certificate is for another name",
            TlsErrorKind::Expired => "the TLS certificate has expired",
            TlsErrorKind::NotYetValid => "the TLS certificate is not valid yet",
            TlsErrorKind::BadCertificate => "the TLS certificate is not good",
            TlsErrorKind::NoCommonAlpn => "the peer speaks none of our application protocols (no common ALPN)",
            TlsErrorKind::Refused => "the peer refused the TLS connection",
            TlsErrorKind::Protocol => "the peer does not speak TLS as it should",
        };
        f.write_str(sentence)?;
        // rustls' own words, without its headings: they name the names, the times, the alert.
        match &self.engine {
            Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) | None => Ok(()),
            // Its text is that of a debugger; what it holds has a better one.
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(fault))) => match words_for(&*fault.0) {
                Some(words) => write!(f, ": {words}"),
                None => write!(f, ": {}", fault.0),
            },
            Some(rustls::Error::InvalidCertificate(fault)) => write!(f, ": {fault}"),
            Some(error) => write!(f, ": {error}"),
        }
    }
}

/// What is wrong with certificates that are often made, for which the engine has no more than the name of the fault.
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

/// With the text, since this is what is printed of an error that ends a program by way of `main`.
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

/// A configuration that cannot be used.
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
        assert_eq!(error.to_string(), "the TLS certificate is not good: a fault of its own");
    }

    #[test]
    fn what_rustls_found_is_the_source() {
        let error = io::Error::from(TlsError::from(rustls::Error::from(CertificateError::UnknownIssuer)));
        assert_eq!(error.to_string(), "the TLS certificate is of an unknown issuer");
        assert!(error.source().is_some_and(|source| source.is::<rustls::Error>()));
    }
}
