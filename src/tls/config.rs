//! How to speak TLS: which certificates to trust, which one to present, and which application protocols to use.
//!
//! Both types wrap a rustls configuration, and can be made from one. The cryptography provider (ring) is always named
//! here and never taken from the process default, so that no other crate can change it.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::any_name::AnyName;
use super::errors::bad_config;
use super::pem::{certificates_of, private_key_of};

/// The TLS settings of a client. The server's certificate is always verified: who signed it, when it is valid, and for
/// which names. TLS 1.2 and 1.3 are supported.
///
/// Make one and keep it. A clone is cheap, and connections made with clones of one `TlsClient` can resume each other's
/// sessions.
///
/// ```no_run
/// use waterwheel::{TlsClient, open_connection};
///
/// # async fn example() -> std::io::Result<()> {
/// let (reader, writer) = open_connection(("example.org", 443)).tls(TlsClient::new()?).await?;
/// # Ok(())
/// # }
/// ```
///
/// Everything else can be set in a [`rustls::ClientConfig`], which converts into a `TlsClient`.
#[derive(Clone)]
#[doc(alias = "SSLContext")]
#[doc(alias = "create_default_context")]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    verification: Verification,
    accept_truncation: bool,
}

/// What a client verifies about its server.
#[derive(Clone)]
enum Verification {
    /// The certificate and the name, by this verifier.
    Full(Arc<dyn ServerCertVerifier>),
    /// The certificate only, since the user has turned off the check of the name.
    AnyName,
    /// Whatever the user's own rustls configuration verifies. It is assumed to verify a name.
    Given,
}

impl TlsClient {
    /// Trusts the certificates that the platform trusts. Every call reads files or asks the system.
    ///
    /// # Errors
    ///
    /// Fails if the platform has no certificates, or none that can be read.
    pub fn new() -> io::Result<TlsClient> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            let text = format!("the platform has no trusted certificates: {}", reasons.join("; "));
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        TlsClient::trusting(roots)
    }

    /// Trusts the certificates in a PEM text, and no others.
    ///
    /// # Errors
    ///
    /// Fails with `InvalidInput` if there is no certificate in the text, or one that cannot be used.
    #[doc(alias = "cafile")]
    pub fn with_roots(pem: impl AsRef<[u8]>) -> io::Result<TlsClient> {
        TlsClient::trusting(roots_of(pem.as_ref())?)
    }

    fn trusting(roots: RootCertStore) -> io::Result<TlsClient> {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        let verifier = verifier.map_err(bad_config)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(bad_config)?
            .with_webpki_verifier(verifier.clone())
            .with_no_client_auth();
        Ok(TlsClient { config: Arc::new(config), verification: Verification::Full(verifier), accept_truncation: false })
    }

    /// Offers application protocols, the preferred one first. Each name has 1 to 255 bytes. With an empty list, none is
    /// offered.
    #[doc(alias = "set_alpn_protocols")]
    pub fn alpn<I: IntoIterator<Item: AsRef<[u8]>>>(mut self, protocols: I) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols = list_of(protocols);
        self
    }

    /// Presents a certificate to servers that ask for one: a chain that begins with the client's own certificate, and
    /// its private key, in PEM.
    ///
    /// # Errors
    ///
    /// Fails with `InvalidInput` if the chain or the key cannot be read, or if they do not belong together.
    #[doc(alias = "load_cert_chain")]
    pub fn client_certificate(mut self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> io::Result<Self> {
        let identity = identity_of(chain.as_ref(), key.as_ref())?;
        Arc::make_mut(&mut self.config).client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity));
        Ok(self)
    }

    /// Accepts the end of the connection as the end of the session, even without the peer's `close_notify`. An attacker
    /// who can cut the connection can then truncate the data that you read. Use this for old peers only, and only if
    /// the data itself says whether it is complete. By default, such an end is an `UnexpectedEof` error.
    ///
    /// # Examples
    ///
    /// A server that closes its connections without ending their sessions, but sends the length of its data:
    ///
    /// ```
    /// use std::io::{ErrorKind, Write};
    /// use std::net::TcpListener;
    /// use waterwheel::rustls::{ServerConnection, StreamOwned};
    /// use waterwheel::{TlsClient, TlsServer, open_connection};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// // A self-signed certificate, which is good enough for an example.
    /// let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("the name is good");
    /// let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// let config = TlsServer::new(&cert, key)?.rustls_config();
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let port = listener.local_addr()?.port();
    /// std::thread::spawn(move || {
    ///     for socket in listener.incoming().flatten() {
    ///         let session = ServerConnection::new(config.clone()).expect("the settings are good");
    ///         // The session is dropped without a `close_notify`.
    ///         let _ = StreamOwned::new(session, socket).write_all(b"5:tides");
    ///     }
    /// });
    ///
    /// let client = TlsClient::with_roots(cert)?;
    /// waterwheel::run(async {
    ///     let (mut reader, _writer) = open_connection(("localhost", port)).tls(&client).await?;
    ///     assert_eq!(reader.read_to_end().await.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    ///
    ///     let (mut reader, _writer) = open_connection(("localhost", port)).tls(client.accept_truncation(true)).await?;
    ///     assert_eq!(reader.read_to_end().await?, b"5:tides"); // The length shows that it is complete.
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias = "suppress_ragged_eofs")]
    pub fn accept_truncation(mut self, accept: bool) -> Self {
        self.accept_truncation = accept;
        self
    }

    pub(super) fn accepts_truncation(&self) -> bool {
        self.accept_truncation
    }

    /// Turns off the check of the server's name. Any certificate signed by an authority that this client trusts is then
    /// accepted, whatever its name, and anyone who has such a certificate can impersonate every server. With the
    /// platform's authorities, anyone can get one, so this is only safe with an authority that signs no certificates
    /// but your own.
    ///
    /// Everything else about the certificate is verified. The `server_hostname`, or else the host being connected to,
    /// is still sent to the server, unless it is empty. Sessions are not resumed.
    ///
    /// # Errors
    ///
    /// Fails with `InvalidInput` if this client was made from a [`rustls::ClientConfig`], whose verifier cannot be
    /// changed here.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// use waterwheel::{TlsClient, open_unix_connection};
    ///
    /// let own_authority = std::fs::read("our-ca.pem")?;
    /// let client = TlsClient::with_roots(own_authority)?.danger_accept_invalid_hostnames()?;
    /// let (reader, writer) = open_unix_connection("/run/service").tls(client).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "check_hostname")]
    pub fn danger_accept_invalid_hostnames(mut self) -> io::Result<Self> {
        match self.verification {
            Verification::Full(verifier) => {
                let config = Arc::make_mut(&mut self.config);
                config.dangerous().set_certificate_verifier(Arc::new(AnyName(verifier)));
                // A session without a verified name must not be resumed by a connection that verifies the name.
                config.resumption = Resumption::disabled();
                self.verification = Verification::AnyName;
            }
            Verification::AnyName => {}
            Verification::Given => {
                return Err(bad_config("the rustls configuration that was given has its own verifier"));
            }
        }
        Ok(self)
    }

    pub(super) fn verifies_name(&self) -> bool {
        !matches!(self.verification, Verification::AnyName)
    }

    /// The underlying rustls configuration, to be changed or used elsewhere.
    pub fn rustls_config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

impl From<Arc<ClientConfig>> for TlsClient {
    fn from(config: Arc<ClientConfig>) -> Self {
        TlsClient { config, verification: Verification::Given, accept_truncation: false }
    }
}

impl From<&TlsClient> for TlsClient {
    fn from(client: &TlsClient) -> Self {
        client.clone()
    }
}

/// The TLS settings of a server, with one certificate for all names. TLS 1.2 and 1.3 are supported. A clone is cheap.
///
/// ```no_run
/// use waterwheel::{TlsServer, start_server};
///
/// # async fn example() -> std::io::Result<()> {
/// # let handler = |_, _| {};
/// let tls = TlsServer::new(std::fs::read("chain.pem")?, std::fs::read("key.pem")?)?.alpn(["http/1.1"]);
/// start_server(handler, "0.0.0.0:443").tls(tls).await?.serve_forever().await
/// # }
/// ```
///
/// Everything else can be set in a [`rustls::ServerConfig`], which converts into a `TlsServer`.
#[derive(Clone)]
#[doc(alias = "SSLContext")]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    accept_truncation: bool,
}

impl TlsServer {
    /// Serves with a certificate chain that begins with the server's own certificate, and with its private key, both in
    /// PEM.
    ///
    /// # Errors
    ///
    /// Fails with `InvalidInput` if the chain or the key cannot be read, or if they do not belong together.
    #[doc(alias = "load_cert_chain")]
    pub fn new(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> io::Result<TlsServer> {
        TlsServer::build(chain.as_ref(), key.as_ref(), WebPkiClientVerifier::no_client_auth())
    }

    /// Like [`new`](TlsServer::new), but serves only clients that present a certificate signed by one of `roots`, in
    /// PEM.
    ///
    /// # Errors
    ///
    /// Fails as [`new`](TlsServer::new) does, and with `InvalidInput` if there is no certificate in `roots`, or one
    /// that cannot be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::{StreamReader, StreamWriter, TlsClient, TlsServer, open_connection, start_server};
    ///
    /// /// Greets each client with the length of its certificate.
    /// async fn greet(_reader: StreamReader, writer: StreamWriter) {
    ///     let info = writer.extra_info();
    ///     let shown = info.tls().expect("the server speaks TLS").peer_certificates();
    ///     writer.write(format!("hello, {} bytes", shown[0].len()).as_bytes());
    /// }
    ///
    /// # fn main() -> std::io::Result<()> {
    /// // Both certificates are self-signed, which is good enough for an example.
    /// let make = |name: &str| {
    ///     let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("the name is good");
    ///     (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().len())
    /// };
    /// let (server_cert, server_key, _) = make("localhost");
    /// let (client_cert, client_key, length) = make("client.example");
    ///
    /// waterwheel::run(async {
    ///     let tls = TlsServer::requiring_client_certificates(&server_cert, server_key, &client_cert)?;
    ///     let server = start_server(greet, "127.0.0.1:0").tls(tls).await?;
    ///     let port = server.local_addrs()[0].port();
    ///
    ///     let tls = TlsClient::with_roots(&server_cert)?.client_certificate(&client_cert, client_key)?;
    ///     let (mut reader, _writer) = open_connection(("localhost", port)).tls(tls).await?;
    ///     assert_eq!(reader.read_to_end().await?, format!("hello, {length} bytes").as_bytes());
    ///
    ///     // A client without a certificate is refused.
    ///     let tls = TlsClient::with_roots(&server_cert)?;
    ///     let refused = async {
    ///         let (mut reader, _writer) = open_connection(("localhost", port)).tls(tls).await?;
    ///         reader.read_to_end().await
    ///     };
    ///     assert!(refused.await.is_err());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[doc(alias = "CERT_REQUIRED")]
    pub fn requiring_client_certificates(
        chain: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
        roots: impl AsRef<[u8]>,
    ) -> io::Result<TlsServer> {
        let roots = Arc::new(roots_of(roots.as_ref())?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build().map_err(bad_config)?;
        TlsServer::build(chain.as_ref(), key.as_ref(), verifier)
    }

    fn build(chain: &[u8], key: &[u8], verifier: Arc<dyn ClientCertVerifier>) -> io::Result<TlsServer> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(bad_config)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity_of(chain, key)?)));
        Ok(TlsServer { config: Arc::new(config), accept_truncation: false })
    }

    /// Accepts these application protocols, the preferred one first. Each name has 1 to 255 bytes. A client that offers
    /// only others is refused. With an empty list, which is the default, the protocols that clients offer are ignored.
    #[doc(alias = "set_alpn_protocols")]
    pub fn alpn<I: IntoIterator<Item: AsRef<[u8]>>>(mut self, protocols: I) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols = list_of(protocols);
        self
    }

    /// See [`TlsClient::accept_truncation`].
    pub fn accept_truncation(mut self, accept: bool) -> Self {
        self.accept_truncation = accept;
        self
    }

    pub(super) fn accepts_truncation(&self) -> bool {
        self.accept_truncation
    }

    /// The underlying rustls configuration, to be changed or used elsewhere.
    pub fn rustls_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

impl From<Arc<ServerConfig>> for TlsServer {
    fn from(config: Arc<ServerConfig>) -> Self {
        TlsServer { config, accept_truncation: false }
    }
}

impl From<&TlsServer> for TlsServer {
    fn from(server: &TlsServer) -> Self {
        server.clone()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn list_of(protocols: impl IntoIterator<Item: AsRef<[u8]>>) -> Vec<Vec<u8>> {
    protocols.into_iter().map(|name| name.as_ref().to_vec()).collect()
}

fn roots_of(pem: &[u8]) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_of(pem, "the roots")? {
        roots.add(certificate).map_err(bad_config)?;
    }
    Ok(roots)
}

fn identity_of(chain: &[u8], key: &[u8]) -> io::Result<CertifiedKey> {
    let (chain, key) = (certificates_of(chain, "the chain")?, private_key_of(key)?);
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            bad_config("the private key is not that of the chain's first certificate")
        }
        error => bad_config(error),
    })
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient")
            .field("alpn", &names(&self.config.alpn_protocols))
            .field("verifies_name", &self.verifies_name())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").field("alpn", &names(&self.config.alpn_protocols)).finish_non_exhaustive()
    }
}

fn names(protocols: &[Vec<u8>]) -> Vec<std::borrow::Cow<'_, str>> {
    protocols.iter().map(|name| String::from_utf8_lossy(name)).collect()
}
