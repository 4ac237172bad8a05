//! What dropping a half does: it ends its own direction, and the connection is closed when both are dropped. A half
//! that never existed counts as dropped.

use super::state::Flags;
use super::{Hand, StreamProtocol};
use crate::event_loop::Unsent;
use crate::executor::Waited;

impl StreamProtocol {
    /// There will be no writer, as for a pipe that is read. Dropping the reader closes the connection.
    pub(in crate::streams) fn has_no_writer(&self) {
        self.state.set(Flags::WRITER_GONE);
    }

    /// There will be no reader, as for a pipe that is written to. Dropping the writer closes the connection.
    pub(in crate::streams) fn has_no_reader(&self) {
        self.state.set(Flags::READER_GONE);
    }

    /// The reader is dropped, with the bytes in its hand.
    pub(in crate::streams) fn reader_gone(&self, hand: Hand) {
        self.state.set(Flags::READER_GONE);
        self.throw_away_input(hand);
        if self.state.any(Flags::WRITER_GONE) {
            self.close_transport();
        }
    }

    /// The writer is dropped. Our side ends at the end of this step, not now: most handlers drop the reader in the same
    /// step, and dropping both closes the connection at once.
    pub(in crate::streams) fn writer_gone(&self) {
        if self.state.any(Flags::RELEASED) {
            return;
        }
        if self.state.any(Flags::WRITING_PAUSED) {
            self.dropped_while_paused();
        }
        self.state.set(Flags::WRITER_GONE);
        // A connection that is merely closing is left alone: after a failed send, the reader still gets the bytes that
        // were received.
        if self.state.any(Flags::READER_GONE | Flags::ENDED) {
            self.close_transport();
        } else if let Some(event_loop) = &self.event_loop {
            event_loop.core().enlist(&self.this);
        }
    }

    #[cold]
    fn dropped_while_paused(&self) {
        if let (Some(event_loop), true) = (&self.event_loop, self.is_over_high_mark()) {
            event_loop.core().paused_writer_dropped(self);
        }
    }

    /// Closes the connection, unless it is lost: it is no longer needed.
    pub(super) fn close_transport(&self) {
        if let (Some(event_loop), Some(transport)) = (&self.event_loop, self.transport()) {
            transport.close();
            self.bound_sending(event_loop, transport);
        }
    }
}

impl Unsent for StreamProtocol {
    /// Ends our side. A transport that cannot end one side alone, as with TLS, stays open until the reader is dropped,
    /// too.
    fn send_gathered(&self) {
        if self.state.any(Flags::READER_GONE) {
            return;
        }
        let (Some(event_loop), Some(transport)) = (&self.event_loop, self.transport()) else { return };
        if transport.can_write_eof() {
            transport.write_eof();
        }
        self.bound_sending(event_loop, transport);
    }
}
