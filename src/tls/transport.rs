//! TLS as the application sees it: a transport. The [`TlsProtocol`] behind it does everything.
//!
//! It holds the [`TlsProtocol`] weakly. The transport below owns the [`TlsProtocol`], which owns the application's
//! protocol, which usually owns this transport. So when the transport below lets go, at `connection_lost` or when the
//! loop closes, all of them are freed.

use std::fmt;
use std::io::IoSlice;
use std::rc::{Rc, Weak};

use super::below::Below;
use super::protocol::TlsProtocol;
use crate::constants::tls::HIGH_WATER;
use crate::interface::{ExtraInfo, Protocol, Transport};
use crate::net::behind_trace;
use crate::transports::FlowControl;

pub(crate) struct TlsTransport {
    tls: Weak<TlsProtocol>,
    below: Rc<Below>,
}

impl TlsTransport {
    pub(super) fn over(tls: Weak<TlsProtocol>, below: Rc<Below>) -> Rc<dyn Transport> {
        Rc::new(TlsTransport { tls, below })
    }

    /// After the end of the connection there is nothing to act on.
    #[inline]
    fn with(&self, act: impl FnOnce(&TlsProtocol)) {
        if let Some(tls) = self.tls.upgrade() {
            act(&tls);
        }
    }
}

impl Transport for TlsTransport {
    #[inline]
    fn write(&self, data: &[u8]) {
        self.with(|tls| tls.write(data));
    }

    fn writelines(&self, parts: &[IoSlice<'_>]) {
        self.with(|tls| tls.writelines(parts));
    }

    fn can_write_eof(&self) -> bool {
        false
    }

    fn write_eof(&self) {
        panic!("one half of a TLS stream cannot end alone: close() ends both; see can_write_eof()");
    }

    fn close(&self) {
        self.with(|tls| tls.close());
    }

    fn abort(&self) {
        self.with(|tls| tls.abort());
    }

    fn is_closing(&self) -> bool {
        self.tls.upgrade().is_none_or(|tls| tls.is_closing())
    }

    fn pause_reading(&self) {
        self.with(|tls| tls.pause_reading());
    }

    fn resume_reading(&self) {
        self.with(|tls| tls.resume_reading());
    }

    fn is_reading(&self) -> bool {
        self.tls.upgrade().is_some_and(|tls| tls.is_reading())
    }

    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) {
        // Not in a closure: the panic for marks in the wrong order would name the closure instead of the caller.
        if let Some(tls) = self.tls.upgrade() {
            tls.set_limits(high, low);
        }
    }

    fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.tls.upgrade().map_or_else(|| FlowControl::<HIGH_WATER>::new().limits(), |tls| tls.limits())
    }

    fn get_write_buffer_size(&self) -> usize {
        self.tls.upgrade().map_or(0, |tls| tls.unsent())
    }

    fn is_writing_paused(&self) -> bool {
        self.tls.upgrade().is_some_and(|tls| tls.is_writing_paused())
    }

    fn pause_until_sent(&self) -> bool {
        self.tls.upgrade().is_some_and(|tls| tls.pause_until_sent())
    }

    fn extra_info(&self) -> ExtraInfo {
        self.below.extra_info()
    }

    fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        self.with(|tls| tls.set_above(protocol));
    }

    fn get_protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.tls.upgrade()?.above().map(behind_trace)
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport")
            .field("tls", &self.tls.upgrade())
            .field("below", &self.below.transport())
            .finish()
    }
}
