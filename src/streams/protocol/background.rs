//! Sending the bytes that a dropped writer left behind. No task waits for them, so sending continues only as long as
//! the peer takes some of them.

use std::io::{self, ErrorKind};
use std::rc::Rc;

use super::{Stage, StreamProtocol};
use crate::event_loop::{LoopHandle, TimerHandle};
use crate::interface::Transport;

/// A connection with unsent bytes that no task waits for. When the connection is lost, this is dropped and its timer
/// cancelled: otherwise each connection that was dropped with unsent bytes would keep a timer, and its own memory, long
/// after its end.
pub(super) struct Background {
    pub(super) transport: Rc<dyn Transport>,
    timer: TimerHandle,
}

impl Drop for Background {
    fn drop(&mut self) {
        self.timer.cancel();
    }
}

impl StreamProtocol {
    /// Aborts the connection if there are unsent bytes and none of them is sent within the loop's close timeout.
    /// Without this timeout, a peer that never reads would keep the connection open for ever. A reader that still
    /// exists gets `TimedOut`.
    pub(super) fn bound_sending(&self, event_loop: &LoopHandle, transport: Rc<dyn Transport>) {
        let unsent = transport.get_write_buffer_size();
        if unsent > 0 && !self.look_at_stage(|stage| matches!(stage, Stage::Background(_))) {
            self.look_later(event_loop, transport, unsent);
        }
    }

    #[cold]
    fn look_later(&self, event_loop: &LoopHandle, transport: Rc<dyn Transport>, unsent_before: usize) {
        let this = self.this.clone();
        let timer = event_loop.call_later(event_loop.core().close_timeout, move || {
            if let Some(this) = this.upgrade() {
                this.look_again(unsent_before);
            }
        });
        self.stage.set(Stage::Background(Box::new(Background { transport, timer })));
    }

    fn look_again(&self, unsent_before: usize) {
        let (Some(event_loop), Some(transport)) = (&self.event_loop, self.transport()) else { return };
        let unsent = transport.get_write_buffer_size();
        if unsent > 0 && unsent != unsent_before {
            return self.look_later(event_loop, transport, unsent);
        }
        self.stage.set(Stage::Made(Rc::clone(&transport)));
        if unsent > 0 {
            log::debug!("the peer takes none of the {unsent} bytes that a dropped writer left: {transport:?}");
            // After an abort, the protocol sees a clean end. But a reader that still exists did not ask for the abort,
            // and must not mistake the bytes received so far for everything the peer had to send.
            if !self.is_ended() {
                self.fail(io::Error::new(ErrorKind::TimedOut, "the peer took nothing of what was written").into());
            }
            transport.abort();
        }
    }
}
