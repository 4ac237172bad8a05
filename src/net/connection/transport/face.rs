//! What a protocol may ask of the transport.

use std::io::IoSlice;
use std::rc::Rc;

use super::{ConduitTransport, Ending, Phase, Reading, Writing};
use crate::interface::{ExtraInfo, Protocol, Transport};
use crate::net::connection::{Conduit, Ways};
use crate::reactor::Direction;

impl<C: Conduit + 'static> Transport for ConduitTransport<C> {
    fn write(&self, data: &[u8]) {
        if self.accepts_writes() {
            self.write_one(data);
        }
    }

    fn writelines(&self, parts: &[IoSlice<'_>]) {
        if self.accepts_writes() {
            self.write_many(parts);
        }
    }

    fn can_write_eof(&self) -> bool {
        self.ways != Ways::In
    }

    fn write_eof(&self) {
        if self.phase.get() != Phase::Open || self.writing.get() != Writing::Open {
            return;
        }
        if self.ways == Ways::Out {
            return self.close();
        }
        self.writing.set(Writing::Ending);
        self.flush_step();
        if self.writing.get() == Writing::Ending && self.gathering.is_empty() && self.phase.get() == Phase::Open {
            self.end_writing();
        }
    }

    fn close(&self) {
        match self.phase.get() {
            Phase::Open => {}
            Phase::Receiving => return self.lose(Ending::Closed),
            Phase::Closing | Phase::Losing | Phase::Lost => return,
        }
        self.phase.set(Phase::Closing);
        self.registration.unwant(Direction::Read);
        self.flush_step();
        if self.gathering.is_empty() {
            self.lose(Ending::Closed);
        } else {
            self.throw_away_input();
        }
        self.tell_closing();
    }

    fn abort(&self) {
        // It does nothing where the connection is lost already.
        self.lose(Ending::Aborted);
    }

    fn is_closing(&self) -> bool {
        self.phase.get() != Phase::Open
    }

    fn pause_reading(&self) {
        if self.delivers() {
            self.pause();
        }
    }

    fn resume_reading(&self) {
        if self.delivers() {
            self.resume();
        }
    }

    fn is_reading(&self) -> bool {
        self.delivers() && !matches!(self.reading.get(), Reading::Paused | Reading::NotYetPaused)
    }

    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) {
        self.gathering.flow().set_limits(high, low);
        // As in asyncio only the pause is looked at: a resume waits for the next send.
        if let Some(change) = self.gathering.flow().grew(self.gathering.len()) {
            self.tell(change);
        }
    }

    fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.gathering.flow().limits()
    }

    fn get_write_buffer_size(&self) -> usize {
        self.gathering.len()
    }

    fn is_writing_paused(&self) -> bool {
        self.gathering.flow().is_paused()
    }

    fn extra_info(&self) -> ExtraInfo {
        let conduit = self.with_conduit(Rc::clone);
        ExtraInfo {
            peername: self.names.peer.clone(),
            sockname: self.names.local.as_deref().cloned(),
            socket: conduit.and_then(|conduit| conduit.socket()),
            layer: None,
        }
    }

    fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        if self.phase.get() == Phase::Lost {
            return;
        }
        let earlier = self.protocol.replace(Some(protocol));
        drop(earlier);
    }

    fn get_protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.protocol()
    }
}
