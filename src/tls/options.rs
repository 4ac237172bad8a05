//! The TLS options of everything that connects or serves.

use std::rc::Rc;

use super::protocol::{TlsProtocol, Told};
use super::session_factory::SessionFactory;
use super::transport::TlsTransport;
use super::{TlsClient, TlsRole, TlsServer};
use crate::interface::Protocol;
use crate::net::{CreateConnection, CreateServer, LayerSettings, Layered, Prepare, Wrap};
use crate::streams::{OpenConnection, StartServer};

/// What the builders keep until they know where to connect to.
fn prepare(role: TlsRole) -> Prepare {
    Box::new(move |settings, host| {
        let server_hostname = settings.server_hostname.or(host.map(str::to_owned));
        Ok(wrap(SessionFactory::new(role, LayerSettings { server_hostname, ..settings })?))
    })
}

fn wrap(sessions: SessionFactory) -> Wrap {
    Rc::new(move |event_loop, protocol| {
        let tls = TlsProtocol::new(event_loop, &sessions, protocol, Told::Nothing, TlsTransport::over)?;
        Ok(Layered { above: tls.face(), ready: tls.ready(), below: tls })
    })
}

/// The methods of a builder that has its [`LayerSettings`] at this place.
macro_rules! tls_timeouts {
    ($($settings:ident).+) => {
        /// How long the TLS handshake may take; 60 seconds by default.
        #[doc(alias = "ssl_handshake_timeout")]
        pub fn tls_handshake_timeout(mut self, limit: std::time::Duration) -> Self {
            self.$($settings).+.handshake_timeout = Some(limit);
            self
        }

        /// How long closing may wait for the peer without any progress; 30 seconds by default. Then the connection
        /// is lost with a `TimedOut` error.
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
        /// Speaks TLS. The connection is there when the handshake is done; an error of it has a
        /// [`TlsError`](crate::TlsError) inside.
        #[doc(alias = "ssl")]
        pub fn tls(mut self, client: impl Into<TlsClient>) -> Self {
            self.options.layer.prepare = Some(prepare(client.into().into()));
            self
        }

        /// The name, or address, that the server's certificate must have. By default it is the host that is connected
        /// to, the first one of several. For an empty host, a path or a ready socket it must be given; an empty name
        /// counts as none. Without one, connecting is an `InvalidInput` error: only
        /// [`TlsClient::danger_accept_invalid_hostnames`](crate::TlsClient::danger_accept_invalid_hostnames) gives up
        /// the check.
        ///
        /// A name beyond ASCII is given in the form in which certificates have it, which begins with `xn--`.
        pub fn server_hostname(mut self, name: impl Into<String>) -> Self {
            self.options.layer.settings.server_hostname = Some(name.into());
            self
        }

        tls_timeouts!(options.layer.settings);
    };
}

macro_rules! server_options {
    () => {
        /// Speaks TLS. A connection becomes known to the application when its handshake is done; one whose handshake
        /// fails never does, and is only logged, at debug level.
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
