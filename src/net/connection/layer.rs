//! A layer between a connection and its protocol, such as TLS. It is a protocol for the transport below, and a
//! transport for the application. This file knows that there can be a layer and when it is ready, but not which layer
//! it is.

use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::event_loop::LoopHandle;
use crate::interface::{Protocol, Transport};
use crate::net::connection::made::Made;

/// A layer that was put over one connection.
pub(crate) struct Layered {
    /// What faces the wire.
    pub(crate) below: Rc<dyn Protocol>,
    /// What faces the application. It can be used once `made` is set.
    pub(crate) above: Rc<dyn Transport>,
    /// Set when the application's protocol was told `connection_made`, or with the reason why it never will be.
    pub(crate) made: Made,
}

/// The transport that the application uses: the one above all layers that were put over `transport`.
pub(crate) fn topmost(mut transport: Rc<dyn Transport>) -> Rc<dyn Transport> {
    while let Some(above) = transport.get_protocol().and_then(|protocol| protocol.transport_above()) {
        transport = above;
    }
    transport
}

/// Puts a layer under the application's protocol. Called once for each connection.
pub(crate) type MakeLayer = Rc<dyn Fn(&LoopHandle, Rc<dyn Protocol>) -> io::Result<Layered>>;

/// Checks the settings of a layer. A client gives the host that it connects to, unless the host is empty or has no
/// name.
pub(crate) type PrepareLayer = Box<dyn FnOnce(LayerSettings, Option<&str>) -> io::Result<MakeLayer>>;

/// The settings of a layer that a builder was given, in any order.
#[derive(Debug, Default)]
pub(crate) struct LayerSettings {
    pub(crate) server_hostname: Option<String>,
    pub(crate) handshake_timeout: Option<Duration>,
    pub(crate) shutdown_timeout: Option<Duration>,
}

#[derive(Default)]
pub(crate) struct LayerOptions {
    pub(crate) prepare: Option<PrepareLayer>,
    pub(crate) settings: LayerSettings,
}

impl LayerOptions {
    /// The layer, if one was asked for.
    ///
    /// # Errors
    ///
    /// Fails with `InvalidInput` if the settings are invalid, or if there are settings but no layer.
    pub(crate) fn prepare(self, host: Option<&str>) -> io::Result<Option<MakeLayer>> {
        let settings = &self.settings;
        let timeouts = settings.handshake_timeout.or(settings.shutdown_timeout);
        match self.prepare {
            Some(prepare) => Ok(Some(prepare(self.settings, host)?)),
            None if settings.server_hostname.is_some() || timeouts.is_some() => {
                let text = "a server_hostname and the timeouts of TLS mean nothing without tls()";
                Err(io::Error::new(io::ErrorKind::InvalidInput, text))
            }
            None => Ok(None),
        }
    }
}

impl fmt::Debug for LayerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerOptions")
            .field("layered", &self.prepare.is_some())
            .field("settings", &self.settings)
            .finish()
    }
}
