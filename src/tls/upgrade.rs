//! Starting TLS in the middle of a connection.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use super::TlsRole;
use super::protocol::{TlsProtocol, Told};
use super::session_factory::SessionFactory;
use super::transport::TlsTransport;
use crate::event_loop::{LoopHandle, Unawaited};
use crate::executor::{Awaited, because};
use crate::interface::{Protocol, Transport};
use crate::net::{LayerSettings, Made};

impl LoopHandle {
    /// Starts TLS on a connection, and returns the transport to use from then on. `protocol` is the protocol of the
    /// connection. Its `connection_made` was called before and is not called again; from now on it receives decrypted
    /// bytes. Bytes written before are sent unencrypted, before the handshake.
    ///
    /// The old transport must not be used any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it is done aborts the connection, and the protocol's `connection_lost` is called.
    ///
    /// # Errors
    ///
    /// If the handshake fails or times out, the error contains a [`TlsError`](crate::TlsError); the connection is
    /// closed, and the protocol's `connection_lost` is called. A client that verifies names and is given no
    /// [`server_hostname`](StartTls::server_hostname) fails with `InvalidInput`, and the connection is not touched. If
    /// the transport is closing already, the error is `NotConnected`.
    #[doc(alias = "loop.start_tls")]
    #[track_caller]
    pub fn start_tls(
        &self,
        transport: Rc<dyn Transport>,
        protocol: Rc<dyn Protocol>,
        role: impl Into<TlsRole>,
    ) -> StartTls {
        let options = UpgradeOptions::new(role.into());
        StartTls { event_loop: self.clone(), transport, protocol, options, unawaited: Unawaited::new("start_tls") }
    }
}

/// The TLS handshake to make, returned by [`LoopHandle::start_tls`]. Await it to start TLS.
#[must_use = "TLS is not started unless this is awaited"]
pub struct StartTls {
    event_loop: LoopHandle,
    transport: Rc<dyn Transport>,
    protocol: Rc<dyn Protocol>,
    options: UpgradeOptions,
    unawaited: Unawaited,
}

/// The options of starting TLS, for streams and for protocols.
#[derive(Debug)]
pub(crate) struct UpgradeOptions {
    role: TlsRole,
    pub(super) settings: LayerSettings,
}

impl UpgradeOptions {
    pub(crate) fn new(role: TlsRole) -> Self {
        UpgradeOptions { role, settings: LayerSettings::default() }
    }

    /// Checks the options.
    pub(super) fn sessions(self) -> io::Result<SessionFactory> {
        SessionFactory::new(self.role, self.settings)
    }
}

/// The methods of a builder whose field `options` is an [`UpgradeOptions`].
macro_rules! upgrade_options {
    () => {
        /// The name or address that the server's certificate must have. A client has to give a name, and it must not be
        /// empty. Only
        /// [`TlsClient::danger_accept_invalid_hostnames`](crate::TlsClient::danger_accept_invalid_hostnames) turns off
        /// the check.
        ///
        /// A name that is not ASCII must be given in the form that certificates use, which begins with `xn--`.
        pub fn server_hostname(mut self, name: impl Into<String>) -> Self {
            self.options.settings.server_hostname = Some(name.into());
            self
        }

        $crate::tls::options::tls_timeouts!(options.settings);
    };
}
pub(crate) use upgrade_options;

impl StartTls {
    upgrade_options!();
}

impl IntoFuture for StartTls {
    type Output = io::Result<Rc<dyn Transport>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    #[track_caller]
    fn into_future(self) -> Self::IntoFuture {
        self.unawaited.awaited();
        Box::pin(because(Awaited::StartTls, Location::caller(), async move {
            let sessions = self.options.sessions()?;
            let upgrade = Upgrade::begin(&self.event_loop, &sessions, self.transport, self.protocol, Told::Made, &[])?;
            upgrade.done().await
        }))
    }
}

impl fmt::Debug for StartTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StartTls")
            .field("transport", &self.transport)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A handshake in the middle of a connection. Dropping it aborts the connection.
pub(crate) struct Upgrade {
    made: Made,
    transport: Option<Rc<dyn Transport>>,
}

impl Upgrade {
    /// Puts TLS between `below` and `above`, and starts the handshake. `told` says whether `above` knows of its
    /// connection. The bytes in `early` were received before, and belong to TLS.
    pub(crate) fn begin(
        event_loop: &LoopHandle,
        sessions: &SessionFactory,
        below: Rc<dyn Transport>,
        above: Rc<dyn Protocol>,
        told: Told,
        early: &[u8],
    ) -> io::Result<Upgrade> {
        if below.is_closing() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the connection is closing or closed"));
        }
        let tls = TlsProtocol::new(event_loop, sessions, above, told, TlsTransport::over)?;
        let upgrade = Upgrade { made: tls.made(), transport: Some(tls.transport()) };
        below.set_protocol(tls.clone());
        tls.begin(Rc::clone(&below), early);
        // The earlier protocol may have paused reading.
        below.resume_reading();
        Ok(upgrade)
    }

    /// Waits until the handshake is done.
    pub(crate) async fn done(mut self) -> io::Result<Rc<dyn Transport>> {
        let outcome = self.made.wait().await;
        let transport = self.transport.take().expect("only taken here");
        outcome?;
        Ok(transport)
    }
}

impl Drop for Upgrade {
    fn drop(&mut self) {
        if let Some(transport) = &self.transport {
            transport.abort();
        }
    }
}
