//! What the writer waits for: the peer to catch up, and the connection to be lost.

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

    /// Whether a drain need not wait: the transport has not paused us, is not closing, and the stream has not ended.
    #[inline]
    pub(in crate::streams) fn may_write(&self) -> bool {
        !self.state.any(Flags::WRITING_PAUSED | Flags::ENDED | Flags::CLOSING)
    }

    /// Somebody else has the connection now, and dropping the writer must not close it.
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
