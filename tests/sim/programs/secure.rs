//! The programs of streams, over TLS.

use std::rc::Rc;
use std::sync::OnceLock;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use waterwheel::sim::{Failure, Sim};
use waterwheel::{TlsClient, TlsServer};

use super::streams::{Settings, program_with};

/// The certificate of the server, and its key. Signatures of this kind have one length: with others, what is sent would
/// not be of one size in each run of a seed.
fn identity() -> &'static (String, String) {
    static IDENTITY: OnceLock<(String, String)> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key can be made");
        let params = CertificateParams::new(["server".to_owned()]).expect("the name is good");
        (params.self_signed(&key).expect("it can sign itself").pem(), key.serialize_pem())
    })
}

/// Both sides are made anew for each run, since they remember sessions.
pub(super) fn program(sim: &mut Sim) -> Result<(), Failure> {
    let (certificate, key) = identity();
    let server = TlsServer::new(certificate, key).expect("they belong together");
    let client = TlsClient::with_roots(certificate).expect("it is a certificate");
    let settings = Settings {
        has_halves: false,
        server: Rc::new(move |starting| starting.tls(server.clone())),
        client: Rc::new(move |opening| opening.tls(client.clone())),
    };
    program_with(sim, &settings)
}
