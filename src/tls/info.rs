//! What was agreed on in a handshake.

use std::fmt;

use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, ProtocolVersion};

use crate::interface::ExtraInfo;

/// What both sides of a TLS connection agreed on. It stays readable after the connection is closed.
///
/// # Examples
///
/// ```
/// use waterwheel::rustls::ProtocolVersion;
/// use waterwheel::{StreamReader, StreamWriter, TlsClient, TlsServer, open_connection, start_server};
///
/// /// Tells a client which of the server's names it asked for.
/// async fn tell(_reader: StreamReader, writer: StreamWriter) {
///     let info = writer.extra_info();
///     let name = info.tls().and_then(|tls| tls.server_name()).unwrap_or("no name");
///     writer.write(name.as_bytes());
/// }
///
/// # fn main() -> std::io::Result<()> {
/// // A self-signed certificate, which is good enough for an example.
/// let names = ["one.example".to_owned(), "two.example".to_owned()];
/// let made = rcgen::generate_simple_self_signed(names).expect("the names are good");
/// let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
///
/// waterwheel::run(async {
///     let tls = TlsServer::new(&cert, key)?.alpn(["tell/1"]);
///     let server = start_server(tell, "127.0.0.1:0").tls(tls).await?;
///
///     let tls = TlsClient::with_roots(&cert)?.alpn(["tell/2", "tell/1"]);
///     let connecting = open_connection(server.local_addrs()[0]).tls(tls).server_hostname("two.example");
///     let (mut reader, writer) = connecting.await?;
///     let info = writer.extra_info();
///     let agreed = info.tls().expect("it speaks TLS");
///     println!("secured by {:?}", agreed.cipher_suite());
///     assert_eq!(agreed.protocol_version(), ProtocolVersion::TLSv1_3);
///     assert_eq!(agreed.alpn(), Some(&b"tell/1"[..]));
///     assert_eq!(agreed.peer_certificates(), [made.cert.der().clone()]);
///     assert_eq!(reader.read_to_end().await?, b"two.example");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone)]
pub struct TlsInfo {
    pub(super) protocol_version: ProtocolVersion,
    pub(super) cipher_suite: CipherSuite,
    pub(super) peer_certificates: Vec<CertificateDer<'static>>,
    pub(super) alpn: Option<Vec<u8>>,
    pub(super) server_name: Option<String>,
}

impl TlsInfo {
    /// The version of the protocol.
    #[doc(alias = "version")]
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.protocol_version
    }

    /// The cipher suite.
    #[doc(alias = "cipher")]
    pub fn cipher_suite(&self) -> CipherSuite {
        self.cipher_suite
    }

    /// The peer's certificates, its own first. The list is empty if a client presented none.
    #[doc(alias = "peercert")]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.peer_certificates
    }

    /// The application protocol that was agreed on, if both sides offered some.
    #[doc(alias = "selected_alpn_protocol")]
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// The server's name. On the client it is the name that was verified, or `None` if the client [turned off the
    /// check](crate::TlsClient::danger_accept_invalid_hostnames); on the server it is the name that the client asked
    /// for.
    #[doc(alias = "server_hostname")]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsInfo")
            .field("protocol_version", &self.protocol_version)
            .field("cipher_suite", &self.cipher_suite)
            .field("peer_certificates", &self.peer_certificates.len())
            .field("alpn", &self.alpn.as_deref().map(String::from_utf8_lossy))
            .field("server_name", &self.server_name)
            .finish()
    }
}

impl ExtraInfo {
    /// What the TLS handshake agreed on; `None` if the connection does not speak TLS.
    #[doc(alias = "sslcontext")]
    #[doc(alias = "ssl_object")]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.layer.as_deref()?.downcast_ref()
    }
}
