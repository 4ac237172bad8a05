//! All that a TLS connection is made from, checked before anything is connected.

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

/// Which side of TLS to be: made from a [`TlsClient`], a [`TlsServer`], or the rustls configuration of either.
#[derive(Debug, Clone)]
pub enum TlsRole {
    /// The side that begins, and verifies the other's name.
    Client(TlsClient),
    /// The side that shows a certificate.
    Server(TlsServer),
}

impl From<TlsClient> for TlsRole {
    fn from(client: TlsClient) -> Self {
        TlsRole::Client(client)
    }
}

impl From<TlsServer> for TlsRole {
    fn from(server: TlsServer) -> Self {
        TlsRole::Server(server)
    }
}

impl From<&TlsClient> for TlsRole {
    fn from(client: &TlsClient) -> Self {
        TlsRole::Client(client.clone())
    }
}

impl From<&TlsServer> for TlsRole {
    fn from(server: &TlsServer) -> Self {
        TlsRole::Server(server.clone())
    }
}

impl From<Arc<ClientConfig>> for TlsRole {
    fn from(config: Arc<ClientConfig>) -> Self {
        TlsRole::Client(config.into())
    }
}

impl From<Arc<ServerConfig>> for TlsRole {
    fn from(config: Arc<ServerConfig>) -> Self {
        TlsRole::Server(config.into())
    }
}

/// How long things may take, and what is let pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) handshake_timeout: Duration,
    pub(super) shutdown_timeout: Duration,
    pub(super) accept_truncation: bool,
}

/// Makes the sessions of one client or of one server.
pub(crate) struct Recipe {
    side: Side,
    pub(super) terms: Terms,
}

enum Side {
    Client { config: Arc<ClientConfig>, name: ServerName<'static>, told_name: Option<String> },
    Server { config: Arc<ServerConfig> },
}

impl Recipe {
    /// Checks the settings. An empty `server_hostname` means that no name is verified.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if a client has no server name or a bad one, a server has one, or a timeout is 0.
    pub(crate) fn new(
        role: TlsRole,
        server_hostname: Option<String>,
        handshake_timeout: Option<Duration>,
        shutdown_timeout: Option<Duration>,
    ) -> io::Result<Recipe> {
        let accept_truncation = match &role {
            TlsRole::Client(client) => client.accepts_truncation(),
            TlsRole::Server(server) => server.accepts_truncation(),
        };
        let terms = Terms {
            handshake_timeout: positive("tls_handshake_timeout", handshake_timeout.unwrap_or(HANDSHAKE_TIMEOUT))?,
            shutdown_timeout: positive("tls_shutdown_timeout", shutdown_timeout.unwrap_or(SHUTDOWN_TIMEOUT))?,
            accept_truncation,
        };
        let side = match (role, server_hostname) {
            (TlsRole::Client(client), Some(name)) => client_side(&client, name)?,
            (TlsRole::Client(_), None) => {
                return Err(bad_config("without a host to connect to a server_hostname is needed"));
            }
            (TlsRole::Server(server), None) => Side::Server { config: server.rustls_config() },
            (TlsRole::Server(_), Some(_)) => return Err(bad_config("only a client has a server_hostname")),
        };
        Ok(Recipe { side, terms })
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

fn client_side(client: &TlsClient, name: String) -> io::Result<Side> {
    if name.is_empty() {
        // rustls wants some name; this one is never sent, since it is an address, nor verified.
        let nobody = ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED));
        return Ok(Side::Client { config: client.for_any_name()?, name: nobody, told_name: None });
    }
    let parsed =
        ServerName::try_from(name.clone()).map_err(|error| bad_config(format!("the name {name:?}: {error}")))?;
    Ok(Side::Client { config: client.rustls_config(), name: parsed, told_name: Some(name) })
}

fn positive(what: &str, timeout: Duration) -> io::Result<Duration> {
    if timeout.is_zero() {
        return Err(bad_config(format!("{what} must be over 0")));
    }
    Ok(timeout)
}
