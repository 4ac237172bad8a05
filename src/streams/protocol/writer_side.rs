//! The outgoing side of a stream, as the writer sees it: waiting for the peer, and for the end.

use std::io;

use super::StreamProtocol;
use super::state::Flags;
use crate::errors::ConnectionError;
use crate::executor::{operation, yield_once};

impl StreamProtocol {
    pub(super) fn failure(&self) -> Option<ConnectionError> {
        let failure = self.failure.take();
        self.failure.set(failure.clone());
        failure
    }

    /// Whether nothing is in the way of writing more: the connection has not ended in any way nor is it closing, and
    /// the transport keeps up.
    #[inline]
    pub(in crate::streams) fn may_write(&self) -> bool {
        !self.state.any(Flags::WRITING_PAUSED | Flags::ENDED | Flags::CLOSING)
    }

    /// Somebody else has the connection now: dropping the writer does nothing to it.
    #[cfg(feature = "tls")]
    pub(in crate::streams) fn release(&self) {
        self.state.set(Flags::RELEASED);
    }

    #[cold]
    pub(super) fn outcome(&self) -> io::Result<()> {
        self.failure().map_or(Ok(()), |error| Err(error.to_io_error()))
    }

    pub(in crate::streams) async fn drain(&self) -> io::Result<()> {
        operation().await;
        self.outcome()?;
        if self.state.any(Flags::CLOSING) {
            // Lets `connection_lost` run, so that a loop of writes and drains ends with it.
            yield_once().await;
        }
        if self.is_lost() {
            self.outcome()?;
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "Connection lost"));
        }
        let may_go_on = || self.is_lost() || !self.state.any(Flags::WRITING_PAUSED) || self.has_failed();
        self.changed.wait(|| may_go_on().then_some(())).await;
        self.outcome()
    }

    fn has_failed(&self) -> bool {
        self.failure().is_some()
    }

    pub(in crate::streams) async fn wait_closed(&self) -> io::Result<()> {
        self.changed.wait(|| self.is_lost().then(|| self.outcome())).await
    }
}
