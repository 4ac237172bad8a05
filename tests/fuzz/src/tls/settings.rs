//! The certificates and settings of both sides.

use std::sync::{Arc, LazyLock};

use waterwheel::rustls::client::Resumption;
use waterwheel::rustls::server::NoServerSessionStorage;
use waterwheel::rustls::version::{TLS12, TLS13};
use waterwheel::rustls::{ClientConfig, ServerConfig};
use waterwheel::{TlsClient, TlsServer};

/// The settings of both sides: for a TLS 1.2 peer and for a TLS 1.3 peer.
pub(super) struct Settings {
    pub(super) server: TlsServer,
    pub(super) client: TlsClient,
    pub(super) peers: [(Arc<ServerConfig>, Arc<ClientConfig>); 2],
}

pub(super) static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    let (chain, key) = (identity.cert.pem(), identity.signing_key.serialize_pem());
    // No session is resumed, so each input does the same every time.
    let mut server = (*TlsServer::new(&chain, &key).expect("a good identity").rustls_config()).clone();
    server.session_storage = Arc::new(NoServerSessionStorage {});
    let mut client = (*TlsClient::with_roots(&chain).expect("a good root").rustls_config()).clone();
    client.resumption = Resumption::disabled();
    let peers = [&TLS12, &TLS13].map(|version| {
        let mut roots = waterwheel::rustls::RootCertStore::empty();
        roots.add(identity.cert.der().clone()).expect("a good root");
        let mut peer = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots)
            .with_no_client_auth();
        peer.resumption = Resumption::disabled();
        let key = identity.signing_key.serialize_der().try_into().expect("a good key");
        let mut serving = ServerConfig::builder_with_protocol_versions(&[version])
            .with_no_client_auth()
            .with_single_cert(vec![identity.cert.der().clone()], key)
            .expect("a good identity");
        serving.session_storage = Arc::new(NoServerSessionStorage {});
        (Arc::new(serving), Arc::new(peer))
    });
    Settings { server: Arc::new(server).into(), client: Arc::new(client).into(), peers }
});
