//! From the conduit to the protocol: one receive per readiness and turn.

use std::cell::Cell;
use std::io;

use super::ConduitTransport;
use crate::constants::RECEIVE_SIZE;
use crate::errors::buffer_without_room;
use crate::event_loop::{Incident, Unsent, count_received};
use crate::interface::{AfterEof, BufferedProtocol, Protocol, ReceiveBuffer, Transport};
use crate::net::connection::{Conduit, Ways};
use crate::reactor::{Again, Direction};
use crate::transports::{Ending, Phase};

/// Whether received bytes go to the protocol. Only this file changes it.
pub(super) struct ReadingSide(Cell<Reading>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The protocol has not been told `connection_made` yet, which must come before any data.
    NotYet,
    /// As `NotYet`, and reading has been paused in the meantime.
    NotYetPaused,
    /// Received bytes go to the protocol.
    Flowing,
    /// The protocol wants no bytes for now. They stay in the kernel, and so does the end of the stream.
    Paused,
    /// The peer has ended its direction.
    Ended,
    /// As `Ended`, and reading was paused. Nothing comes either way, but `is_reading` says that reading is paused.
    EndedPaused,
}

impl Reading {
    pub(super) fn is_paused(self) -> bool {
        matches!(self, Reading::NotYetPaused | Reading::Paused | Reading::EndedPaused)
    }
}

impl ReadingSide {
    pub(super) fn new() -> ReadingSide {
        ReadingSide(Cell::new(Reading::NotYet))
    }

    pub(super) fn get(&self) -> Reading {
        self.0.get()
    }
}

impl<C: Conduit + 'static> ConduitTransport<C> {
    /// Whether the peer's bytes go to the protocol.
    pub(super) fn delivers(&self) -> bool {
        matches!(self.life.phase(), Phase::Open | Phase::Receiving)
    }

    /// The protocol was told `connection_made`.
    pub(super) fn start_reading(&self) {
        match self.reading.get() {
            Reading::NotYet => self.set_reading(Reading::Flowing),
            Reading::NotYetPaused => self.set_reading(Reading::Paused),
            Reading::Flowing | Reading::Paused | Reading::Ended | Reading::EndedPaused => {}
        }
    }

    pub(super) fn pause(&self) {
        match self.reading.get() {
            Reading::NotYet => self.set_reading(Reading::NotYetPaused),
            Reading::Flowing => self.set_reading(Reading::Paused),
            Reading::Ended => self.set_reading(Reading::EndedPaused),
            Reading::NotYetPaused | Reading::Paused | Reading::EndedPaused => {}
        }
    }

    pub(super) fn resume(&self) {
        match self.reading.get() {
            Reading::NotYetPaused => self.set_reading(Reading::NotYet),
            Reading::Paused => self.set_reading(Reading::Flowing),
            Reading::EndedPaused => self.set_reading(Reading::Ended),
            Reading::NotYet | Reading::Flowing | Reading::Ended => {}
        }
    }

    fn set_reading(&self, reading: Reading) {
        self.reading.0.set(reading);
        self.update_read_interest();
    }

    /// Watches for read events exactly while received bytes have a use. That depends on the phase and on the reading
    /// side, so this is called after each change of either.
    pub(super) fn update_read_interest(&self) {
        let wanted = match self.life.phase() {
            Phase::Open | Phase::Receiving => self.reading.get() == Reading::Flowing,
            // Input is thrown away while bytes that were written before `close` still go out: a peer that writes
            // before it reads would wait for us, and we for it.
            Phase::Closing => self.peer_may_send(),
            Phase::Losing | Phase::Lost => false,
        };
        if wanted {
            self.want(Direction::Read);
        } else {
            self.registration.unwant(Direction::Read);
        }
    }

    /// Whether the peer has not ended its direction yet, if it has one.
    pub(super) fn peer_may_send(&self) -> bool {
        self.ways == Ways::Both && !matches!(self.reading.get(), Reading::Ended | Reading::EndedPaused)
    }

    /// The conduit is readable, and the protocol wants bytes.
    #[inline(always)]
    pub(super) fn receive_once(&self) -> Again {
        if self.life.phase() == Phase::Closing {
            return self.throw_away_once();
        }
        let Some(protocol) = self.life.protocol() else { return Again::No };
        let on_panic = self.on_panic("buffered");
        let buffered = protocol.buffered();
        on_panic.disarm();
        match buffered {
            Some(buffered) => self.receive_buffered(buffered),
            None => self.receive_plain(&*protocol),
        }
    }

    #[cold]
    fn throw_away_once(&self) -> Again {
        let received = self.receive(&mut self.event_loop.core().buffers.lend().memory);
        self.received_no_bytes(received);
        Again::NextTurn
    }

    #[inline(always)]
    fn receive_plain(&self, protocol: &dyn Protocol) -> Again {
        let mut loan = self.event_loop.core().buffers.lend();
        match self.receive(&mut loan.memory) {
            Ok(n @ 1..) => {
                // Most protocols answer at once. Their writes are sent right here, without joining the loop's list.
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
        // One receive is bounded, however large a buffer has grown, and so is what a flood can leave with the
        // protocol.
        let room = buffer.room();
        let most = room.len().min(RECEIVE_SIZE);
        match self.receive(&mut room[..most]) {
            Ok(n @ 1..) => {
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

    /// Receives once. The conduit is not closed as long as there is a protocol to receive for.
    #[inline(always)]
    fn receive(&self, into: &mut [u8]) -> io::Result<usize> {
        let room = into.len();
        let n = self.with_conduit(|conduit| conduit.recv(into)).unwrap_or(Ok(0))?;
        count_received(n);
        if n < room {
            self.registration.received_short();
        }
        Ok(n)
    }

    #[cold]
    fn received_no_bytes(&self, received: io::Result<usize>) -> Again {
        match received.map_err(|error| (error.kind(), error)) {
            Ok(0) => self.received_eof(),
            Ok(1..) => {}
            Err((io::ErrorKind::WouldBlock, _)) => self.registration.exhausted(Direction::Read),
            // Still ready, so it is tried again.
            Err((io::ErrorKind::Interrupted, _)) => return Again::NextTurn,
            Err((_, error)) => self.lose(Ending::Failed(error.into())),
        }
        Again::No
    }

    fn received_eof(&self) {
        // Asked for again, since the protocol that lent its buffer may have handed the connection over in the
        // meantime.
        let Some(protocol) = self.life.protocol() else { return };
        self.set_reading(Reading::Ended);
        if self.life.phase() == Phase::Closing {
            return;
        }
        if self.ways == Ways::Out {
            return self.nobody_reads();
        }
        if self.is_end_of_a_broken_connection() {
            return self.lose(Ending::Closed);
        }
        let on_panic = self.on_panic("eof_received");
        let after = protocol.eof_received();
        on_panic.disarm();
        if after == AfterEof::Close || self.ways == Ways::In || self.life.phase() == Phase::Receiving {
            self.close();
        }
    }

    /// Whether the end of the stream that was received only means that the connection broke. The system reports a
    /// socket's error once: if a send was told of a reset, later receives see an end, though the peer never ended its
    /// side. A `BrokenPipe` is no such error: it says only that nothing can be sent.
    fn is_end_of_a_broken_connection(&self) -> bool {
        let failure = self.life.failure();
        failure.is_some_and(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }

    /// The other end of a pipe that we write to is gone. That is an error if bytes are left here.
    fn nobody_reads(&self) {
        if self.gathering.is_empty() {
            return self.lose(Ending::Closed);
        }
        self.lose(Ending::Failed(io::Error::from(io::ErrorKind::BrokenPipe).into()));
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
