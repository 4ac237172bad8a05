//! waterwheel's TLS, tokio-rustls, and a load on blocking sockets. All three use the same rustls with ring, TLS 1.3
//! without resumption, and an ECDSA P-256 certificate that is made for each server.

pub(crate) mod load;
mod with_tokio;
mod with_waterwheel;

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The name in the certificate.
const NAME: &str = "versus.test";

/// Serves until this process ends. It prints its address, and its certificate.
pub(crate) fn serve(peer: &str, app: &str) {
    match (peer, app) {
        ("tokio", "echo") => with_tokio::echo(),
        ("tokio", "bulk") => with_tokio::bulk(),
        ("waterwheel", "echo") => with_waterwheel::echo(),
        ("waterwheel", "bulk") => with_waterwheel::bulk(),
        ("waterwheel-protocol", "echo") => with_waterwheel::echo_protocol(),
        _ => panic!("{peer} has no {app} over TLS"),
    }
}

/// How many bytes a bulk server must receive, and how many it must send.
fn amounts(header: &[u8]) -> (usize, usize) {
    let amount = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes")) as usize;
    (amount(&header[..8]), amount(&header[8..]))
}

/// A server's configuration, and its certificate in hexadecimal digits for the clients.
fn server() -> (Arc<ServerConfig>, String) {
    let key = KeyPair::generate().expect("keys can be made");
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).expect("the name is good");
    let certificate = certificate.self_signed(&key).expect("it can sign itself").der().clone();
    let digits = certificate.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("the key is one");
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("certificate and key belong together");
    // No client resumes a session here, so no tickets are sent.
    config.send_tls13_tickets = 0;
    (Arc::new(config), digits)
}

/// A client's configuration that trusts this one certificate.
fn client(certificate: &str) -> Arc<ClientConfig> {
    let byte =
        |at| u8::from_str_radix(&certificate[at..at + 2], 16).expect("a certificate comes in hexadecimal digits");
    let certificate: Vec<u8> = (0..certificate.len()).step_by(2).map(byte).collect();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate)).expect("the certificate is one");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}
