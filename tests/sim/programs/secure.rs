//! The programs of streams, over TLS.

use std::future::IntoFuture;
use std::rc::Rc;
use std::sync::OnceLock;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use waterwheel::sim::{Failure, Sim};
use waterwheel::{TlsClient, TlsServer, start_tls};

use super::streams::{Settings, Upgrade, program_with};

/// The certificate of the server, and its key. Ed25519 signatures have a fixed length. With other kinds, the number of
/// bytes sent would vary between runs of a seed.
fn identity() -> &'static (String, String) {
    static IDENTITY: OnceLock<(String, String)> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key can be made");
        let params = CertificateParams::new(["server".to_owned()]).expect("the name is good");
        (params.self_signed(&key).expect("it can sign itself").pem(), key.serialize_pem())
    })
}

/// The settings of both sides, made anew for each run, since they cache sessions.
fn sides() -> (TlsServer, TlsClient) {
    let (certificate, key) = identity();
    let server = TlsServer::new(certificate, key).expect("they belong together");
    (server, TlsClient::with_roots(certificate).expect("it is a certificate"))
}

/// TLS from the beginning.
pub(super) fn program(sim: &mut Sim) -> Result<(), Failure> {
    let (server, client) = sides();
    let settings = Settings {
        has_halves: false,
        is_encrypted: true,
        server: Rc::new(move |starting| starting.tls(server.clone())),
        client: Rc::new(move |opening| opening.tls(client.clone())),
        upgrade: None,
    };
    program_with(sim, &settings).map(drop)
}

/// TLS in the middle of a conversation.
pub(super) fn upgraded(sim: &mut Sim) -> Result<(), Failure> {
    let (server, client) = sides();
    let upgrade: Upgrade = Rc::new(move |is_client, reader, writer| match is_client {
        true => Box::pin(start_tls(reader, writer, client.clone()).server_hostname("server").into_future()),
        false => Box::pin(start_tls(reader, writer, server.clone()).into_future()),
    });
    let (server, client) = (Rc::new(|server| server), Rc::new(|client| client));
    program_with(sim, &Settings { has_halves: false, is_encrypted: true, server, client, upgrade: Some(upgrade) })
        .map(drop)
}
