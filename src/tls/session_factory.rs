//! Makes TLS sessions, from settings that are checked before anything is connected.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

use super::errors::bad_config;
use super::session::TlsSession;
use super::{TlsClient, TlsError, TlsServer};
use crate::constants::tls::{HANDSHAKE_TIMEOUT, SHUTDOWN_TIMEOUT};
use crate::net::LayerSettings;

/// Which side of a TLS connection to act as. It is made from a [`TlsClient`], a [`TlsServer`], or the rustls
/// configuration of either.
#[derive(Debug, Clone)]
pub enum TlsRole {
    /// The side that starts the handshake, and verifies the name of the other side.
    Client(TlsClient),
    /// The side that presents a certificate.
    Server(TlsServer),
}

macro_rules! role_from {
    ($($settings:ty => $role:ident),*) => {$(
        impl From<$settings> for TlsRole {
            fn from(settings: $settings) -> Self {
                TlsRole::$role(settings.into())
            }
        }
    )*};
}

role_from!(TlsClient => Client, &TlsClient => Client, Arc<ClientConfig> => Client);
role_from!(TlsServer => Server, &TlsServer => Server, Arc<ServerConfig> => Server);

/// How long the handshake and the shutdown may take, and whether a truncated session is accepted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) handshake_timeout: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) accept_truncation: bool,
}

/// Makes the sessions of one client or of one server.
pub(crate) struct SessionFactory {
    side: Side,
    pub(super) policy: Policy,
}

enum Side {
    Client { config: Arc<ClientConfig>, name: ServerName<'static>, told_name: Option<String> },
    Server { config: Arc<ServerConfig> },
}

impl SessionFactory {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Fails with `InvalidInput` if a client that verifies the server's name is given none, or an invalid one; if a
    /// server is given a name; if a timeout is 0; or if the name of an application protocol does not have 1 to 255
    /// bytes.
    pub(crate) fn new(role: TlsRole, settings: LayerSettings) -> io::Result<SessionFactory> {
        let accept_truncation = match &role {
            TlsRole::Client(client) => client.accepts_truncation(),
            TlsRole::Server(server) => server.accepts_truncation(),
        };
        let policy = Policy {
            handshake_timeout: positive("tls_handshake_timeout", settings.handshake_timeout, HANDSHAKE_TIMEOUT)?,
            shutdown_timeout: positive("tls_shutdown_timeout", settings.shutdown_timeout, SHUTDOWN_TIMEOUT)?,
            accept_truncation,
        };
        let side = match (role, settings.server_hostname) {
            (TlsRole::Client(client), name) => client_side(&client, name)?,
            (TlsRole::Server(server), None) => server_side(&server)?,
            (TlsRole::Server(_), Some(_)) => return Err(bad_config("only a client has a server_hostname")),
        };
        Ok(SessionFactory { side, policy })
    }

    pub(super) fn session(&self) -> io::Result<TlsSession> {
        let session = match &self.side {
            Side::Client { config, name, told_name } => {
                TlsSession::client(Arc::clone(config), name.clone(), told_name.clone())
            }
            Side::Server { config } => TlsSession::server(Arc::clone(config)),
        };
        session.map_err(|error| TlsError::from(error).into())
    }
}

fn client_side(client: &TlsClient, name: Option<String>) -> io::Result<Side> {
    let config = client.rustls_config();
    check_alpn(&config.alpn_protocols)?;
    match name.filter(|name| !name.is_empty()) {
        Some(name) => {
            let parsed = parse_name(&name)?;
            // A name that is not verified is not reported, since the application might rely on it.
            Ok(Side::Client { config, name: parsed, told_name: client.verifies_name().then_some(name) })
        }
        // A missing name is no permission to skip the check.
        None if client.verifies_name() => {
            Err(bad_config("no name is given for which to verify the server's certificate: set server_hostname"))
        }
        None => {
            // rustls needs some name. This one is not sent, since it is an address, and not verified.
            let nobody = ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED));
            Ok(Side::Client { config, name: nobody, told_name: None })
        }
    }
}

fn server_side(server: &TlsServer) -> io::Result<Side> {
    let config = server.rustls_config();
    check_alpn(&config.alpn_protocols)?;
    Ok(Side::Server { config })
}

fn parse_name(name: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(|error| {
        if name.is_ascii() {
            return bad_config(format!("the server_hostname {name:?}: {error}"));
        }
        let advice = "certificates have names beyond ASCII in the form that begins with \"xn--\" (IDNA): give that one";
        bad_config(format!("the server_hostname {name:?}: {advice}"))
    })
}

fn check_alpn(protocols: &[Vec<u8>]) -> io::Result<()> {
    // The length of a name is sent in one byte, and the standard forbids empty names.
    if protocols.iter().all(|name| (1..=255).contains(&name.len())) {
        return Ok(());
    }
    Err(bad_config("the name of an application protocol (alpn) has 1 to 255 bytes"))
}

fn positive(name: &str, given: Option<Duration>, default: Duration) -> io::Result<Duration> {
    match given.unwrap_or(default) {
        Duration::ZERO => Err(bad_config(format!("{name} must be greater than 0"))),
        timeout => Ok(timeout),
    }
}
