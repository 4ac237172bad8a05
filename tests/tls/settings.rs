//! Both sides of TLS as most tests need them, and the kind of an error.

use std::error::Error;

use crate::common::certificates::Authority;
use waterwheel::{TlsClient, TlsError, TlsErrorKind, TlsServer};

/// A server with this name, and a client that trusts only its certificate.
pub(crate) fn both(name: &str) -> (TlsServer, TlsClient) {
    let authority = Authority::new();
    let identity = authority.sign(&[name]);
    (TlsServer::new(&identity.chain, &identity.key).unwrap(), TlsClient::with_roots(&authority.pem).unwrap())
}

/// The kind of failure, if TLS failed.
pub(crate) fn kind_of<E: Error + 'static>(error: &E) -> Option<TlsErrorKind> {
    TlsError::of(error).map(TlsError::kind)
}
