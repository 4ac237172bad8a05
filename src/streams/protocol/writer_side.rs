//! What the writer waits for: the peer to catch up, and the connection to be lost.

use std::io;
use std::task::{Context, Poll};

use super::StreamProtocol;
use super::state::Flags;
use crate::errors::ConnectionError;
use crate::executor::{Awaited, Reason, operation, yield_once};
use crate::interface::Transport;

/// The slots in which the poll methods keep the waker of their last poll.
const DRAIN: usize = 0;
const FLUSH: usize = 1;
const CLOSED: usize = 2;

impl StreamProtocol {
    pub(super) fn failure(&self) -> Option<ConnectionError> {
        let failure = self.failure.take();
        self.failure.set(failure.clone());
        failure
    }

    /// Whether a drain need not wait: the transport has not paused us, is not closing, and neither direction has ended.
    #[inline]
    pub(in crate::streams) fn may_write(&self) -> bool {
        !self.state.any(Flags::WRITING_PAUSED | Flags::ENDED | Flags::CLOSING | Flags::WRITING_ENDED)
    }

    pub(in crate::streams) fn writing_ended(&self) {
        self.state.set(Flags::WRITING_ENDED);
    }

    /// Whether bytes written now can still be sent, as far as is known.
    pub(in crate::streams) fn is_open_for_writes(&self) -> bool {
        !self.state.any(Flags::CLOSING | Flags::WRITING_ENDED) && !self.is_lost()
    }

    /// The connection was handed over, and dropping the writer must not close it.
    #[cfg(feature = "tls")]
    pub(in crate::streams) fn release(&self) {
        self.state.set(Flags::RELEASED);
    }

    #[inline]
    pub(in crate::streams) fn outcome(&self) -> io::Result<()> {
        if self.has_failed() { self.outcome_of_failure() } else { Ok(()) }
    }

    #[cold]
    fn outcome_of_failure(&self) -> io::Result<()> {
        self.failure().map_or(Ok(()), |error| Err(error.to_io_error()))
    }

    pub(in crate::streams) async fn drain(&self, reason: Reason) -> io::Result<()> {
        operation().await;
        self.outcome()?;
        if self.state.any(Flags::CLOSING) {
            // Lets `connection_lost` run, so that a loop of writes and drains comes to an end.
            yield_once().await;
        }
        if self.is_lost() {
            self.outcome()?;
            return Err(connection_lost());
        }
        let may_go_on = || self.is_lost() || !self.state.any(Flags::WRITING_PAUSED) || self.has_failed();
        self.changed.wait(reason, || self.or_waits(may_go_on().then_some(()))).await;
        self.outcome()
    }

    #[inline]
    fn has_failed(&self) -> bool {
        self.state.any(Flags::FAILED)
    }

    /// Like [`drain`](StreamProtocol::drain), but does not wait a turn if the connection is closing.
    pub(in crate::streams) fn poll_drain(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.changed.poll_kept(
            DRAIN,
            Reason::polled(Awaited::Drain),
            || self.executor(),
            cx,
            || {
                if self.is_lost() || self.has_failed() {
                    return Some(self.outcome().and_then(|()| Err(connection_lost())));
                }
                self.or_waits((!self.state.any(Flags::WRITING_PAUSED)).then_some(Ok(())))
            },
        )
    }

    /// Waits until the kernel has taken what earlier steps wrote to the transport.
    pub(in crate::streams) async fn flush(&self, transport: &dyn Transport, reason: Reason) -> io::Result<()> {
        self.changed.wait(reason, || self.flushed(transport)).await
    }

    pub(in crate::streams) fn poll_flush(&self, transport: &dyn Transport, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.changed.poll_kept(
            FLUSH,
            Reason::polled(Awaited::Flush),
            || self.executor(),
            cx,
            || self.flushed(transport),
        )
    }

    fn flushed(&self, transport: &dyn Transport) -> Option<io::Result<()>> {
        if self.has_failed() || !transport.pause_until_sent() {
            return Some(self.outcome());
        }
        self.or_waits(None)
    }

    pub(in crate::streams) async fn wait_closed(&self, reason: Reason) -> io::Result<()> {
        self.changed.wait(reason, || self.closed()).await
    }

    pub(in crate::streams) fn poll_closed(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        self.changed.poll_kept(CLOSED, Reason::polled(Awaited::WaitClosed), || self.executor(), cx, || self.closed())
    }

    fn closed(&self) -> Option<io::Result<()>> {
        self.or_waits(self.is_lost().then(|| self.outcome()))
    }

    /// Passes the answer on, and notes that a task waits if there is none.
    fn or_waits<T>(&self, answer: Option<T>) -> Option<T> {
        if answer.is_none() {
            self.state.set(Flags::DRAINED);
        }
        answer
    }
}

fn connection_lost() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "Connection lost")
}
