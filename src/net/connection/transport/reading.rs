//! From the conduit to the protocol: one receive per readiness and turn.

use std::io;

use super::{ConduitTransport, Ending, Phase, Reading};
use crate::constants::RECEIVE_SIZE;
use crate::errors::buffer_without_room;
use crate::event_loop::{Incident, Unsent};
use crate::interface::{AfterEof, BufferedProtocol, Protocol, ReceiveBuffer, Transport};
use crate::net::connection::{Conduit, Ways};
use crate::reactor::{Again, Direction};

/// What one receive found.
enum Received {
    Bytes(usize),
    Eof,
    Nothing,
    Failed(io::Error),
}

impl<C: Conduit + 'static> ConduitTransport<C> {
    pub(super) fn start_reading(&self) {
        match self.reading.get() {
            Reading::NotYet => self.flow_in(),
            Reading::NotYetPaused => self.reading.set(Reading::Paused),
            Reading::Flowing | Reading::Paused | Reading::Ended => {}
        }
    }

    /// Whether what the peer sends is for the protocol.
    pub(super) fn delivers(&self) -> bool {
        matches!(self.phase.get(), Phase::Open | Phase::Receiving)
    }

    pub(super) fn pause(&self) {
        match self.reading.get() {
            Reading::NotYet => self.reading.set(Reading::NotYetPaused),
            Reading::Flowing => {
                self.reading.set(Reading::Paused);
                self.registration.unwant(Direction::Read);
            }
            Reading::NotYetPaused | Reading::Paused | Reading::Ended => {}
        }
    }

    pub(super) fn resume(&self) {
        match self.reading.get() {
            Reading::NotYetPaused => self.reading.set(Reading::NotYet),
            Reading::Paused => self.flow_in(),
            Reading::NotYet | Reading::Flowing | Reading::Ended => {}
        }
    }

    fn flow_in(&self) {
        self.reading.set(Reading::Flowing);
        if self.delivers() {
            self.want(Direction::Read);
        }
    }

    /// A send failed, mostly since the peer has gone. What it sent before is here then, though the selector may not have
    /// told yet: it is received before anything that is scheduled from now on, so that who hears of the failure in a
    /// later turn knows the peer's last words.
    pub(super) fn receive_what_has_come(&self) {
        self.registration.believe_ready(Direction::Read);
        if self.reading.get() == Reading::Flowing {
            self.want(Direction::Read);
        }
    }

    /// The conduit is readable, and the protocol wants bytes.
    #[inline(always)]
    pub(super) fn receive_once(&self) -> Again {
        if self.phase.get() == Phase::Closing {
            return self.throw_away_once();
        }
        let Some(protocol) = self.protocol() else { return Again::No };
        let on_panic = self.on_panic("buffered");
        let buffered = protocol.buffered();
        on_panic.disarm();
        match buffered {
            Some(buffered) => self.receive_buffered(buffered),
            None => self.receive_plain(&*protocol),
        }
    }

    /// While what was written before `close` still goes out, what comes in is thrown away: a peer that writes before
    /// it reads would wait for us, and we for it.
    pub(super) fn throw_away_input(&self) {
        let more_may_come = self.ways == Ways::Both && self.reading.get() != Reading::Ended;
        if more_may_come {
            self.want(Direction::Read);
        }
    }

    #[cold]
    fn throw_away_once(&self) -> Again {
        let received = self.receive(&mut self.event_loop.core().buffers.lend().memory);
        match received {
            Received::Eof => {
                self.reading.set(Reading::Ended);
                self.registration.unwant(Direction::Read);
            }
            Received::Failed(error) => self.lose(Ending::Failed(error.into())),
            Received::Bytes(_) | Received::Nothing => {}
        }
        Again::NextTurn
    }

    #[inline(always)]
    fn receive_plain(&self, protocol: &dyn Protocol) -> Again {
        let mut loan = self.event_loop.core().buffers.lend();
        match self.receive(&mut loan.memory) {
            Received::Bytes(n) => {
                // Most protocols answer at once. What they write here is sent here, and needs no place in the list.
                self.gathering.own_step();
                let on_panic = self.on_panic("data_received");
                protocol.data_received(&loan.memory[..n]);
                on_panic.disarm();
                self.send_gathered();
                Again::NextTurn
            }
            nothing => {
                drop(loan);
                self.received_no_bytes(nothing)
            }
        }
    }

    #[inline(always)]
    fn receive_buffered(&self, buffered: &dyn BufferedProtocol) -> Again {
        let on_panic = self.on_panic("get_buffer or buffer_updated");
        let mut buffer = buffered.get_buffer();
        if buffer.room().is_empty() {
            on_panic.disarm();
            return self.refuse_buffer(buffered, buffer);
        }
        // One receive is bounded, however large a buffer has grown: so is what a flood leaves with the protocol.
        let room = buffer.room();
        let most = room.len().min(RECEIVE_SIZE);
        match self.receive(&mut room[..most]) {
            Received::Bytes(n) => {
                buffer.advance(n);
                buffered.buffer_updated(buffer, n);
                on_panic.disarm();
                Again::NextTurn
            }
            nothing => {
                buffered.buffer_updated(buffer, 0);
                on_panic.disarm();
                self.received_no_bytes(nothing)
            }
        }
    }

    #[inline(always)]
    fn receive(&self, into: &mut [u8]) -> Received {
        loop {
            match self.with_conduit(|conduit| conduit.recv(into)) {
                Some(Ok(0)) => return Received::Eof,
                Some(Ok(n)) => {
                    if n < into.len() {
                        self.registration.received_short();
                    }
                    return Received::Bytes(n);
                }
                Some(Err(error)) => {
                    if let Some(received) = self.receive_failed(error) {
                        return received;
                    }
                }
                None => return Received::Nothing,
            }
        }
    }

    /// What a failed receive means; `None` if it is to be tried again.
    #[cold]
    fn receive_failed(&self, error: io::Error) -> Option<Received> {
        match error.kind() {
            io::ErrorKind::Interrupted => None,
            io::ErrorKind::WouldBlock => {
                self.registration.exhausted(Direction::Read);
                Some(Received::Nothing)
            }
            _ => Some(Received::Failed(error)),
        }
    }

    #[cold]
    fn received_no_bytes(&self, received: Received) -> Again {
        match received {
            Received::Eof => self.received_eof(),
            Received::Failed(error) => self.lose(Ending::Failed(error.into())),
            Received::Bytes(_) | Received::Nothing => {}
        }
        Again::No
    }

    fn received_eof(&self) {
        // Asked for here, since the one that lent its buffer may have handed the connection over since.
        let Some(protocol) = self.protocol() else { return };
        self.reading.set(Reading::Ended);
        self.registration.unwant(Direction::Read);
        if self.ways == Ways::Out {
            return self.nobody_reads();
        }
        if self.is_end_of_a_broken_connection() {
            return self.lose(Ending::Closed);
        }
        let on_panic = self.on_panic("eof_received");
        let after = protocol.eof_received();
        on_panic.disarm();
        if after == AfterEof::Close || self.ways == Ways::In || self.phase.get() == Phase::Receiving {
            self.close();
        }
    }

    /// Whether an end of the stream that was received only says that the connection broke. The system tells an error of
    /// a socket once: a send that was told of a reset leaves an end to the receives behind it, though the peer never
    /// ended its side. A `BrokenPipe` is no such error: it says that nothing can be sent, and nothing else.
    fn is_end_of_a_broken_connection(&self) -> bool {
        let failure = self.failure();
        failure.is_some_and(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// The other end of a pipe that we write to is gone. That is an error if it leaves bytes unread here.
    fn nobody_reads(&self) {
        let unsent = !self.gathering.is_empty();
        self.lose(match unsent {
            true => Ending::Failed(io::Error::from(io::ErrorKind::BrokenPipe).into()),
            false => Ending::Closed,
        });
    }

    #[cold]
    fn refuse_buffer(&self, buffered: &dyn BufferedProtocol, buffer: ReceiveBuffer) -> Again {
        let error = buffer_without_room();
        let incident = Incident::new("A protocol failed").with_error(error.clone()).with_source(self);
        self.lose(Ending::Failed(error));
        buffered.buffer_updated(buffer, 0);
        self.event_loop.core().report(&incident);
        Again::No
    }
}
