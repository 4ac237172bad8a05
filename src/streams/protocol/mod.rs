//! The protocol behind a reader and a writer.
//!
//! Received bytes change hands by move. The protocol receives into the inbox; the reader takes the inbox when it
//! needs bytes and reads from its own hands, where nothing else touches them; before it waits it puts back what it
//! has left, so that more is received behind it and one buffer serves any number of small packets. A stream that
//! waits with nothing received owns no buffer at all.

mod draining;
mod emptying;

use std::cell::Cell;
use std::fmt;
use std::rc::{Rc, Weak};

use crate::constants::{LARGE_BUFFER, LEAST_ROOM, SMALL_BUFFER};
use crate::errors::ConnectionError;
use crate::event_loop::LoopHandle;
use crate::executor::{WaiterCell, Waiters};
use crate::interface::{AfterEof, BufferedProtocol, Protocol, ReceiveBuffer, Transport};
use crate::streams::{StreamReader, StreamWriter};

/// Called once, with both ends of a new connection.
pub(crate) type Connected = Rc<dyn Fn(StreamReader, StreamWriter)>;

pub(crate) struct StreamProtocol {
    this: Weak<StreamProtocol>,
    /// Whose buffers are used; `None` if the stream is fed by hand.
    event_loop: Option<LoopHandle>,
    stage: Cell<Stage>,
    /// Received, and not yet taken by the reader.
    inbox: Cell<ReceiveBuffer>,
    /// How many bytes the reader has in its own hands.
    held: Cell<usize>,
    limit: usize,
    /// What the connection failed with.
    failure: Cell<Option<ConnectionError>>,
    flow: Flow,
    reader_waits: WaiterCell,
    /// Those who wait in `drain`, or for the connection to be lost.
    changed: Waiters,
}

/// What the protocol holds of its connection.
#[derive(Default)]
enum Stage {
    /// Not yet made: whoever is then called, if anyone is.
    New(Option<Connected>),
    /// From `connection_made` to `connection_lost`.
    Made(Rc<dyn Transport>),
    #[default]
    Lost,
}

/// The flags of both directions. Each is about something else, so all combinations are possible.
#[derive(Debug, Default)]
struct Flow {
    /// The transport's reading was paused by us, since the reader has more than it reads.
    reading_paused: Cell<bool>,
    /// The transport told us to pause writing.
    writing_paused: Cell<bool>,
    /// No more bytes will come: the stream ended, or the connection failed.
    ended: Cell<bool>,
    /// `connection_lost` has come.
    lost: Cell<bool>,
    /// The last receive filled its buffer, or would have filled a small one: the next one should be large.
    bulk: Cell<bool>,
    /// The reader was dropped: what comes is thrown away.
    reader_gone: Cell<bool>,
}

impl StreamProtocol {
    pub(crate) fn new(event_loop: Option<LoopHandle>, limit: usize, connected: Option<Connected>) -> Rc<Self> {
        Rc::new_cyclic(|this| StreamProtocol {
            this: this.clone(),
            event_loop,
            stage: Cell::new(Stage::New(connected)),
            inbox: Cell::default(),
            held: Cell::new(0),
            limit,
            failure: Cell::new(None),
            flow: Flow::default(),
            reader_waits: WaiterCell::default(),
            changed: Waiters::default(),
        })
    }

    pub(super) fn event_loop(&self) -> Option<&LoopHandle> {
        self.event_loop.as_ref()
    }

    fn transport(&self) -> Option<Rc<dyn Transport>> {
        let stage = self.stage.take();
        let transport = if let Stage::Made(transport) = &stage { Some(Rc::clone(transport)) } else { None };
        self.stage.set(stage);
        transport
    }

    #[inline]
    fn inbox_len(&self) -> usize {
        let inbox = self.inbox.take();
        let len = inbox.len();
        self.inbox.set(inbox);
        len
    }
}

/// The incoming side, as the transport (or whoever feeds by hand) fills it.
impl StreamProtocol {
    /// Bytes came into the inbox.
    #[inline]
    fn received(&self, in_inbox: usize) {
        self.reader_waits.wake();
        if self.held.get() + in_inbox > self.limit.saturating_mul(2) && !self.flow.reading_paused.get() {
            self.pause_reading();
        }
    }

    #[cold]
    fn pause_reading(&self) {
        if let Some(transport) = self.transport() {
            self.flow.reading_paused.set(true);
            transport.pause_reading();
        }
    }

    #[cold]
    fn resume_reading(&self) {
        self.flow.reading_paused.set(false);
        if let Some(transport) = self.transport() {
            transport.resume_reading();
        }
    }

    /// Adds bytes as if they had been received.
    pub(super) fn feed(&self, data: &[u8]) {
        if !self.flow.reader_gone.get() {
            let mut inbox = self.inbox.take();
            inbox.extend_from_slice(data);
            self.inbox.set(inbox);
        }
        let len = self.inbox_len();
        if !data.is_empty() {
            self.received(len);
        }
    }

    /// Ends the incoming side, unless it has ended before.
    pub(super) fn feed_eof(&self) {
        if !self.is_ended() {
            self.ended(None);
        }
    }

    /// Lets the incoming side fail, also if it has ended before.
    pub(super) fn fail(&self, error: ConnectionError) {
        self.ended(Some(error));
    }

    /// No more bytes will come: the stream ended well, or failed.
    fn ended(&self, failure: Option<ConnectionError>) {
        self.flow.ended.set(true);
        let earlier = self.failure.replace(failure);
        drop(earlier);
        self.reader_waits.wake();
    }

    #[inline]
    /// How large a buffer may grow that holds `len` bytes: no larger than what can come before reading is paused. A
    /// reader that waits for more than that has its buffer doubled.
    fn most_memory(&self, len: usize) -> usize {
        let pause = self.limit.saturating_mul(2);
        if len > pause { usize::MAX } else { pause.saturating_add(LARGE_BUFFER) }
    }

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
        AfterEof::KeepOpen
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        let stage = self.stage.take();
        drop(stage);
        self.flow.lost.set(true);
        self.ended(error);
        self.changed.wake_all();
    }

    fn pause_writing(&self) {
        self.flow.writing_paused.set(true);
    }

    fn resume_writing(&self) {
        self.flow.writing_paused.set(false);
        self.changed.wake_all();
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }
}

impl BufferedProtocol for StreamProtocol {
    #[inline]
    fn get_buffer(&self) -> ReceiveBuffer {
        let mut inbox = self.inbox.take();
        if inbox.has_memory() {
            if inbox.room().len() < LEAST_ROOM {
                inbox.reserve_within(SMALL_BUFFER, self.most_memory(inbox.len()));
            }
            return inbox;
        }
        match &self.event_loop {
            Some(event_loop) => event_loop.core().buffers.take(self.flow.bulk.get()),
            None => ReceiveBuffer::new(SMALL_BUFFER),
        }
    }

    #[inline]
    fn buffer_updated(&self, mut buffer: ReceiveBuffer, received: usize) {
        if received > 0 {
            self.flow.bulk.set(received >= SMALL_BUFFER || buffer.room().is_empty());
        }
        if self.flow.reader_gone.get() {
            buffer.consume(buffer.len());
        }
        if buffer.is_empty() {
            return self.give_back(buffer);
        }
        let len = buffer.len();
        self.inbox.set(buffer);
        if received > 0 {
            self.received(len);
        }
    }
}

/// Both ends of a connection whose protocol is `protocol`.
pub(crate) fn pair(protocol: Rc<StreamProtocol>, transport: Rc<dyn Transport>) -> (StreamReader, StreamWriter) {
    (StreamReader::of(Rc::clone(&protocol)), StreamWriter::of(protocol, transport))
}

impl fmt::Debug for StreamProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamProtocol")
            .field("unread", &(self.held.get() + self.inbox_len()))
            .field("limit", &self.limit)
            .field("end", &self.describe_end())
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}
