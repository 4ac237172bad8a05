//! The transport's methods for its protocol.

use std::io::IoSlice;
use std::rc::Rc;

use super::ConduitTransport;
use super::writing::Writing;
use crate::interface::{ExtraInfo, Protocol, Transport};
use crate::net::connection::{Conduit, Ways, behind_trace, traced};
use crate::transports::{Ending, Phase};

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

    fn write_some(&self, parts: &[IoSlice<'_>]) -> Option<usize> {
        self.write_some_now(parts)
    }

    fn can_write_eof(&self) -> bool {
        self.ways != Ways::In
    }

    fn write_eof(&self) {
        if !self.life.is_open() || self.writing.get() != Writing::Open {
            return;
        }
        if self.ways == Ways::Out {
            return self.close();
        }
        self.end_when_sent();
    }

    fn close(&self) {
        if self.life.phase() == Phase::Receiving {
            return self.lose(Ending::Closed);
        }
        if !self.life.begin_closing() {
            return;
        }
        self.flush_step();
        if self.gathering.is_empty() {
            self.lose(Ending::Closed);
        } else {
            self.update_read_interest();
        }
        self.tell_closing();
    }

    fn abort(&self) {
        // Does nothing if the connection is lost already.
        self.lose(Ending::Aborted);
    }

    fn is_closing(&self) -> bool {
        !self.life.is_open()
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
        self.delivers() && !self.reading.get().is_paused()
    }

    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) {
        self.gathering.flow().set_limits(high, low);
        // As in asyncio, only a pause can follow from this: a resume waits for the next send.
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

    fn pause_until_sent(&self) -> bool {
        if self.goes_out_with_this_step() || self.gathering.is_empty() {
            return false;
        }
        if let Some(change) = self.gathering.flow().pause_until_sent() {
            self.tell(change);
        }
        // From inside that call the protocol may have sent everything, and then it has been told to resume already.
        self.gathering.flow().is_paused()
    }

    fn extra_info(&self) -> ExtraInfo {
        let conduit = self.with_conduit(Rc::clone);
        ExtraInfo {
            peername: self.names.peer.clone(),
            sockname: self.names.local.as_deref().cloned(),
            socket: conduit.clone().and_then(|conduit| conduit.socket()),
            pipe: conduit.and_then(|conduit| conduit.pipe()),
            layer: None,
        }
    }

    fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        self.life.set_protocol(traced(&self.event_loop, protocol));
    }

    fn get_protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.life.protocol().map(behind_trace)
    }
}
