//! The outgoing side of a stream, as the writer sees it: waiting for the peer, and for the end.

use std::io;

use super::{End, StreamProtocol};
use crate::errors::ConnectionError;
use crate::executor::yield_once;
use crate::interface::Transport;

impl StreamProtocol {
    fn failure(&self) -> Option<ConnectionError> {
        match &*self.end.borrow() {
            End::Failed(error) => Some(error.clone()),
            End::Open | End::Eof => None,
        }
    }

    fn outcome(&self) -> io::Result<()> {
        self.failure().map_or(Ok(()), |error| Err(error.to_io_error()))
    }

    pub(in crate::streams) async fn drain(&self, transport: &dyn Transport) -> io::Result<()> {
        self.outcome()?;
        if transport.is_closing() {
            // Lets `connection_lost` run, so that a loop of writes and drains ends with it.
            yield_once().await;
        }
        if self.flow.get().lost {
            self.outcome()?;
            return Err(io::Error::new(io::ErrorKind::ConnectionReset, "Connection lost"));
        }
        let may_go_on = || {
            let flow = self.flow.get();
            (flow.lost || !flow.writing_paused).then_some(())
        };
        self.drains.wait(may_go_on).await;
        self.outcome()
    }

    pub(in crate::streams) async fn wait_closed(&self) -> io::Result<()> {
        self.closes.wait(|| self.flow.get().lost.then(|| self.outcome())).await
    }
}
