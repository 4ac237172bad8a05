//! What is known about the connection below TLS.

use std::cell::OnceCell;
use std::rc::Rc;

use super::TlsInfo;
use crate::interface::{ExtraInfo, Transport};

/// The transport below, and what the handshake agreed on. The TLS protocol and the TLS transport share it, since the
/// transport describes the connection even when the protocol is gone.
#[derive(Default)]
pub(super) struct Below {
    /// Set when the handshake begins.
    transport: OnceCell<Rc<dyn Transport>>,
    /// Set when the handshake is done.
    info: OnceCell<Rc<TlsInfo>>,
}

impl Below {
    pub(super) fn transport(&self) -> Option<&Rc<dyn Transport>> {
        self.transport.get()
    }

    pub(super) fn set_transport(&self, transport: Rc<dyn Transport>) {
        let earlier = self.transport.set(transport);
        debug_assert!(earlier.is_ok(), "a handshake begins once");
    }

    /// Called once, when the handshake is done.
    pub(super) fn set_info(&self, info: Option<TlsInfo>) {
        let earlier = info.map(|info| self.info.set(Rc::new(info)));
        debug_assert_eq!(earlier.map(|set| set.is_ok()), Some(true), "a handshake ends once, and agrees on something");
    }

    pub(super) fn extra_info(&self) -> ExtraInfo {
        let mut info = match self.transport() {
            Some(below) => below.extra_info(),
            None => ExtraInfo { peername: None, sockname: None, socket: None, pipe: None, layer: None },
        };
        info.layer = self.info.get().cloned().map(|info| info as _);
        info
    }
}
