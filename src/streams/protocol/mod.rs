//! The protocol behind a reader and a writer.
//!
//! Received bytes are moved, not copied. The transport receives into the [`Inbox`]. When the reader needs bytes, it
//! takes the whole inbox into its [`Hand`], and reads from there without further calls. Before it waits, it puts the
//! remaining bytes back, so that new bytes are received behind them and one buffer serves any number of small packets.
//! A stream that waits with nothing unread owns no buffer.

mod background;
mod description;
mod halves;
mod inbox;
mod reader_side;
mod state;
mod writer_side;

use std::cell::Cell;
use std::fmt;
use std::rc::{Rc, Weak};

use crate::constants::{LARGE_BUFFER, LEAST_ROOM, SMALL_BUFFER};
use crate::errors::ConnectionError;
use crate::event_loop::LoopHandle;
use crate::executor::{Executor, ReaderReason, WaiterCell, Waiters};
use crate::interface::{AfterEof, BufferedProtocol, Protocol, ReceiveBuffer, Transport};
use crate::streams::{StreamReader, StreamWriter};
use background::Background;
pub(super) use inbox::Hand;
use inbox::Inbox;
use state::{Flags, State};

/// Twice the limit must not overflow.
const MOST_LIMIT: usize = usize::MAX / 2;

/// Called once, with the reader and the writer of a new connection.
pub(crate) type Connected = Rc<dyn Fn(StreamReader, StreamWriter)>;

pub(crate) struct StreamProtocol {
    this: Weak<StreamProtocol>,
    /// The loop whose buffers are used; `None` if the stream is fed by a `StreamFeeder`.
    event_loop: Option<LoopHandle>,
    stage: Cell<Stage>,
    inbox: Inbox,
    /// Invariant: at most `MOST_LIMIT`.
    limit: Cell<usize>,
    /// The error of the connection. The writer gets it. The reader does, too, unless the stream had ended cleanly
    /// before. Invariant: it is `Some` exactly while [`Flags::FAILED`] is set.
    failure: Cell<Option<ConnectionError>>,
    state: State,
    /// Whether the last receive would have filled a small buffer, so that the next buffer should be large.
    bulk: Cell<bool>,
    reader_waits: WaiterCell,
    /// Why the reader waits.
    reader_reason: ReaderReason,
    /// The key of this stream among those of the loop.
    key: Option<u32>,
    /// The tasks that wait in `drain` or `flush`, or for the connection to be lost.
    changed: Waiters,
}

/// How far the connection has come, and what the protocol keeps at this stage.
#[derive(Default)]
enum Stage {
    /// The connection is not made yet. The function, if there is one, is called when it is.
    New(Option<Connected>),
    /// From `connection_made`, or a turn before, to `connection_lost`.
    Made(Rc<dyn Transport>),
    /// A half was dropped with bytes unsent: they are sent in the background, for a bounded time. Ends with
    /// `connection_lost`, or becomes `Made` again if all bytes are sent while the other half still exists. Boxed,
    /// because few connections come here, and otherwise every connection would need memory for the timer.
    Background(Box<Background>),
    #[default]
    Lost,
}

impl StreamProtocol {
    pub(crate) fn new(event_loop: Option<LoopHandle>, limit: usize, connected: Option<Connected>) -> Rc<Self> {
        Rc::new_cyclic(|this: &Weak<StreamProtocol>| {
            let key = event_loop.as_ref().map(|event_loop| event_loop.core().executor.waited.add(this.clone()));
            StreamProtocol {
                this: this.clone(),
                event_loop,
                stage: Cell::new(Stage::New(connected)),
                inbox: Inbox::default(),
                limit: Cell::new(limit.min(MOST_LIMIT)),
                failure: Cell::new(None),
                state: State::default(),
                bulk: Cell::new(false),
                reader_waits: WaiterCell::default(),
                reader_reason: ReaderReason::default(),
                key,
                changed: Waiters::default(),
            }
        })
    }

    /// Sets the transport of a connection before `connection_made` is called.
    pub(super) fn has_transport(&self, transport: Rc<dyn Transport>) {
        self.stage.set(Stage::Made(transport));
    }

    #[cfg(feature = "tls")]
    pub(super) fn event_loop(&self) -> Option<&LoopHandle> {
        self.event_loop.as_ref()
    }

    /// Whether the loop is in debug mode.
    pub(super) fn is_debugged(&self) -> bool {
        self.executor().is_some_and(Executor::is_debugged)
    }

    #[inline]
    fn executor(&self) -> Option<&Executor> {
        self.event_loop.as_ref().map(|event_loop| &*event_loop.core().executor)
    }

    fn transport(&self) -> Option<Rc<dyn Transport>> {
        self.look_at_stage(|stage| match stage {
            Stage::Made(transport) => Some(Rc::clone(transport)),
            Stage::Background(background) => Some(Rc::clone(&background.transport)),
            Stage::New(_) | Stage::Lost => None,
        })
    }

    fn is_lost(&self) -> bool {
        self.look_at_stage(|stage| matches!(stage, Stage::Lost))
    }

    fn look_at_stage<T>(&self, look: impl FnOnce(&Stage) -> T) -> T {
        let stage = self.stage.take();
        let seen = look(&stage);
        self.stage.set(stage);
        seen
    }
}

/// The incoming side, as the transport or a `StreamFeeder` fills it.
impl StreamProtocol {
    /// Puts a buffer with `n` new bytes into the inbox.
    #[inline]
    fn received(&self, buffer: ReceiveBuffer, n: usize) {
        if self.inbox.put(buffer, n) > self.limit() * 2 {
            self.pause_reading();
        }
        self.reader_waits.wake(self.executor());
    }

    #[cold]
    fn pause_reading(&self) {
        if self.state.any(Flags::READING_PAUSED) {
            return;
        }
        if let Some(transport) = self.transport() {
            self.state.set(Flags::READING_PAUSED);
            transport.pause_reading();
        }
    }

    #[cold]
    fn resume_reading(&self) {
        self.state.clear(Flags::READING_PAUSED);
        if let Some(transport) = self.transport() {
            transport.resume_reading();
        }
    }

    /// Adds bytes as if they had been received.
    pub(super) fn feed(&self, data: &[u8]) {
        if !self.state.any(Flags::READER_GONE) && !data.is_empty() {
            let mut buffer = self.inbox.lend();
            buffer.extend_from_slice(data);
            self.received(buffer, data.len());
        }
    }

    /// Ends the incoming side, unless it has already ended.
    pub(super) fn feed_eof(&self) {
        if !self.is_ended() {
            self.ended(None);
        }
    }

    /// Makes the incoming side fail, even if it has already ended.
    pub(super) fn fail(&self, error: ConnectionError) {
        self.state.clear(Flags::EOF);
        self.ended(Some(error));
    }

    /// No more bytes will come: the stream ended cleanly, or failed.
    fn ended(&self, failure: Option<ConnectionError>) {
        if !self.is_ended() && failure.is_none() {
            self.state.set(Flags::EOF);
        }
        self.state.set(Flags::ENDED);
        self.failed(failure);
        self.reader_waits.wake(self.executor());
    }

    fn failed(&self, failure: Option<ConnectionError>) {
        if failure.is_some() {
            self.state.set(Flags::FAILED);
            drop(self.failure.replace(failure));
        }
    }

    /// Makes room for more bytes in a buffer that already holds some.
    #[inline(never)]
    fn with_room(&self, mut buffer: ReceiveBuffer) -> ReceiveBuffer {
        if buffer.room().len() < LEAST_ROOM {
            buffer.reserve_within(SMALL_BUFFER, self.most_memory(buffer.len()));
        }
        buffer
    }

    /// How large a buffer with `len` bytes may grow: no larger than the bytes that can arrive before reading is paused.
    /// Only if the reader waits for even more bytes is its buffer doubled without a bound.
    fn most_memory(&self, len: usize) -> usize {
        let pause = self.limit() * 2;
        if len > pause { usize::MAX } else { pause.saturating_add(LARGE_BUFFER) }
    }

    /// A buffer came back without new bytes for the reader.
    #[cold]
    fn nothing_received(&self, mut buffer: ReceiveBuffer) {
        if self.state.any(Flags::READER_GONE) {
            buffer.consume(buffer.len());
        }
        if buffer.is_empty() {
            self.give_back(buffer);
        } else {
            self.inbox.put(buffer, 0);
        }
    }

    /// Gives an empty buffer back to the loop's pool.
    #[inline(never)]
    fn give_back(&self, buffer: ReceiveBuffer) {
        if let Some(event_loop) = &self.event_loop {
            event_loop.core().buffers.give(buffer);
        }
    }
}

impl Protocol for StreamProtocol {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let Stage::New(Some(connected)) = self.stage.replace(Stage::Made(Rc::clone(&transport))) else { return };
        let Some(this) = self.this.upgrade() else { return };
        let (reader, writer) = pair(this, transport);
        connected(reader, writer);
    }

    fn eof_received(&self) -> AfterEof {
        self.ended(None);
        if self.state.any(Flags::WRITER_GONE) {
            self.close_transport();
        }
        AfterEof::KeepOpen
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        drop(self.stage.take());
        self.ended(error);
        self.changed.wake_all_and_kept(self.executor());
    }

    fn pause_writing(&self) {
        self.state.set(Flags::WRITING_PAUSED);
        self.state.clear(Flags::DRAINED);
        if let Some(event_loop) = &self.event_loop {
            event_loop.core().writer_paused(self.this.clone());
        }
    }

    fn resume_writing(&self) {
        self.state.clear(Flags::WRITING_PAUSED);
        self.changed.wake_all_and_kept(self.executor());
    }

    fn connection_closing(&self, error: Option<ConnectionError>) {
        self.state.set(Flags::CLOSING);
        if error.is_some() {
            self.failed(error);
            self.changed.wake_all_and_kept(self.executor());
        }
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }
}

impl BufferedProtocol for StreamProtocol {
    #[inline]
    fn get_buffer(&self) -> ReceiveBuffer {
        let buffer = self.inbox.lend();
        if buffer.has_memory() {
            return self.with_room(buffer);
        }
        match &self.event_loop {
            Some(event_loop) => event_loop.core().buffers.take(self.bulk.get()),
            None => ReceiveBuffer::new(SMALL_BUFFER),
        }
    }

    #[inline]
    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        if received == 0 || self.state.any(Flags::READER_GONE) {
            return self.nothing_received(buffer);
        }
        self.bulk.set(received >= SMALL_BUFFER);
        self.received(buffer, received);
    }
}

/// The reader and the writer of a connection whose protocol is `protocol`.
pub(crate) fn pair(protocol: Rc<StreamProtocol>, transport: Rc<dyn Transport>) -> (StreamReader, StreamWriter) {
    (StreamReader::of(Rc::clone(&protocol)), StreamWriter::of(protocol, transport))
}

impl fmt::Debug for StreamProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamProtocol")
            .field("unread", &self.inbox.unread())
            .field("limit", &self.limit())
            .field("end", &self.describe_end())
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_grows_to_what_can_come_before_reading_is_paused_and_doubles_for_who_waits_for_more() {
        let limit = 73_000;
        let protocol = StreamProtocol::new(None, limit, None);
        let most_after = |pieces: usize| {
            let receive = |_| {
                let mut buffer = protocol.get_buffer();
                let capacity = buffer.capacity();
                buffer.advance(1_000);
                protocol.buffer_updated(buffer, 1_000);
                capacity
            };
            (0..pieces).map(receive).max()
        };
        assert_eq!(most_after(2 * limit / 1_000), Some(2 * limit + LARGE_BUFFER));
        assert_eq!(most_after(200), Some(2 * (2 * limit + LARGE_BUFFER)));
    }
}
