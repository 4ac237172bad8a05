//! The TLS options of all builders that connect or serve.

use std::rc::Rc;

use super::protocol::{TlsProtocol, Told};
use super::session_factory::SessionFactory;
use super::transport::TlsTransport;
use super::{TlsClient, TlsRole, TlsServer};
use crate::interface::Protocol;
use crate::net::{CreateConnection, CreateServer, LayerSettings, Layered, MakeLayer, PrepareLayer};
use crate::streams::{OpenConnection, StartServer};

/// The function that a builder keeps until it knows which host to connect to.
fn prepare(role: TlsRole) -> PrepareLayer {
    Box::new(move |settings, host| {
        let server_hostname = settings.server_hostname.or(host.map(str::to_owned));
        Ok(layer_maker(SessionFactory::new(role, LayerSettings { server_hostname, ..settings })?))
    })
}

fn layer_maker(sessions: SessionFactory) -> MakeLayer {
    Rc::new(move |event_loop, protocol| {
        let tls = TlsProtocol::new(event_loop, &sessions, protocol, Told::Nothing, TlsTransport::over)?;
        Ok(Layered { above: tls.transport(), made: tls.made(), below: tls })
    })
}

/// The methods of a builder whose [`LayerSettings`] are in this field.
macro_rules! tls_timeouts {
    ($($settings:ident).+) => {
        /// How long the TLS handshake may take; 60 seconds by default.
        #[doc(alias = "ssl_handshake_timeout")]
        pub fn tls_handshake_timeout(mut self, limit: std::time::Duration) -> Self {
            self.$($settings).+.handshake_timeout = Some(limit);
            self
        }

        /// How long closing may wait for the peer without any progress; 30 seconds by default. After that the
        /// connection is lost with a `TimedOut` error.
        #[doc(alias = "ssl_shutdown_timeout")]
        pub fn tls_shutdown_timeout(mut self, limit: std::time::Duration) -> Self {
            self.$($settings).+.shutdown_timeout = Some(limit);
            self
        }
    };
}
pub(super) use tls_timeouts;

macro_rules! client_options {
    () => {
        /// Uses TLS. Connecting completes when the handshake does. If the handshake fails, the error contains a
        /// [`TlsError`](crate::TlsError).
        #[doc(alias = "ssl")]
        pub fn tls(mut self, client: impl Into<TlsClient>) -> Self {
            self.options.layer.prepare = Some(prepare(client.into().into()));
            self
        }

        /// The name or address that the server's certificate must have. The default is the host being connected to, or
        /// the first of several. For an empty host, a path or an existing socket, a name has to be given, and must not
        /// be empty; otherwise connecting fails with `InvalidInput`. Only
        /// [`TlsClient::danger_accept_invalid_hostnames`](crate::TlsClient::danger_accept_invalid_hostnames) turns off
        /// the check.
        ///
        /// A name that is not ASCII must be given in the form that certificates use, which begins with `xn--`.
        pub fn server_hostname(mut self, name: impl Into<String>) -> Self {
            self.options.layer.settings.server_hostname = Some(name.into());
            self
        }

        tls_timeouts!(options.layer.settings);
    };
}

macro_rules! server_options {
    () => {
        /// Uses TLS. The application gets a connection when its handshake is done. A failed handshake is only logged,
        /// at debug level.
        #[doc(alias = "ssl")]
        pub fn tls(mut self, server: impl Into<TlsServer>) -> Self {
            self.options.layer.prepare = Some(prepare(server.into().into()));
            self
        }

        tls_timeouts!(options.layer.settings);
    };
}

impl<P: Protocol + 'static> CreateConnection<'_, P> {
    client_options!();
}

impl OpenConnection {
    client_options!();
}

impl CreateServer {
    server_options!();
}

impl StartServer {
    server_options!();
}
