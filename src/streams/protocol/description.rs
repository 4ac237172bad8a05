//! How a stream describes itself in a dump of its loop.

use super::StreamProtocol;
use super::state::Flags;
use crate::executor::{Reason, Waited};

impl Waited for StreamProtocol {
    fn reading(&self, seat: u32, step: u64) -> Option<Reason> {
        self.reader_reason.of_step(step).filter(|_| self.reader_waits.is_seat(seat))
    }

    fn is_awaited_by(&self, seat: u32) -> bool {
        self.changed.has(seat)
    }

    fn is_over_high_mark(&self) -> bool {
        let given_up = Flags::CLOSING | Flags::WRITING_ENDED | Flags::WRITER_GONE | Flags::RELEASED;
        self.state.any(Flags::WRITING_PAUSED)
            && !self.state.any(given_up)
            && self
                .transport()
                .is_some_and(|transport| transport.get_write_buffer_size() > transport.get_write_buffer_limits().1)
    }

    fn is_drained(&self) -> bool {
        !self.changed.is_empty()
    }

    fn was_drained(&self) -> bool {
        self.state.any(Flags::DRAINED)
    }

    fn describe(&self) -> (String, String) {
        let Some(transport) = self.transport() else { return (self.describe_reader(), "connection lost".to_owned()) };
        let peer = transport.extra_info().peername().map_or(String::new(), |peer| format!(", peer {peer}"));
        let (_, high) = transport.get_write_buffer_limits();
        let written = transport.get_write_buffer_size();
        (format!("{}{peer}", self.describe_reader()), format!("{written} bytes buffered, high mark {high}{peer}"))
    }
}

impl StreamProtocol {
    fn describe_reader(&self) -> String {
        format!("{} bytes unread", self.inbox.unread())
    }
}

impl Drop for StreamProtocol {
    fn drop(&mut self) {
        if let (Some(event_loop), Some(key)) = (&self.event_loop, self.key) {
            event_loop.core().executor.waited.remove(key);
        }
    }
}
