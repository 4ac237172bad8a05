//! The protocol behind a reader and a writer.
//!
//! Received bytes change hands by move. The protocol receives into the inbox; the reader takes the inbox when it
//! needs bytes and reads from its own hands, where nothing else touches them; before it waits it puts back what it
//! has left, so that more is received behind it and one buffer serves any number of small packets. A stream that
//! waits with nothing received owns no buffer at all.

mod draining;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use crate::constants::{LEAST_ROOM, SMALL_BUFFER};
use crate::errors::ConnectionError;
use crate::event_loop::LoopHandle;
use crate::executor::{Waiter, WaiterCell, Waiters};
use crate::interface::{AfterEof, BufferedProtocol, Protocol, ReceiveBuffer, Transport};
use crate::streams::{StreamReader, StreamWriter};

/// Called once, with both ends of a new connection.
pub(crate) type Connected = Rc<dyn Fn(StreamReader, StreamWriter)>;

pub(crate) struct StreamProtocol {
    this: Weak<StreamProtocol>,
    /// Whose buffers are used; `None` if the stream is fed by hand.
    event_loop: Option<LoopHandle>,
    /// From `connection_made` to `connection_lost`.
    transport: Cell<Option<Rc<dyn Transport>>>,
    /// Received, and not yet taken by the reader.
    inbox: RefCell<ReceiveBuffer>,
    /// How many bytes the reader has in its own hands.
    held: Cell<usize>,
    limit: usize,
    /// What the connection failed with.
    failure: Cell<Option<ConnectionError>>,
    flow: Flow,
    reader_waits: WaiterCell,
    /// Those who wait in `drain`, or for the connection to be lost.
    changed: Waiters,
    connected: Cell<Option<Connected>>,
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
            transport: Cell::new(None),
            inbox: RefCell::default(),
            held: Cell::new(0),
            limit,
            failure: Cell::new(None),
            flow: Flow::default(),
            reader_waits: WaiterCell::default(),
            changed: Waiters::default(),
            connected: Cell::new(connected),
        })
    }

    pub(super) fn event_loop(&self) -> Option<&LoopHandle> {
        self.event_loop.as_ref()
    }

    fn transport(&self) -> Option<Rc<dyn Transport>> {
        let transport = self.transport.take();
        let clone = transport.clone();
        self.transport.set(transport);
        clone
    }

    #[inline]
    fn inbox_len(&self) -> usize {
        self.inbox.borrow().len()
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
            self.inbox.borrow_mut().extend_from_slice(data);
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
    fn give_back(&self, buffer: ReceiveBuffer) {
        if let Some(event_loop) = &self.event_loop {
            event_loop.core().buffers.give(buffer);
        }
    }
}

/// The incoming side, as the reader empties it.
impl StreamProtocol {
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Moves what was received behind what the reader has in `own`.
    #[inline]
    pub(super) fn take_inbox(&self, own: &mut ReceiveBuffer) {
        let mut inbox = self.inbox.take();
        if own.is_empty() {
            std::mem::swap(own, &mut inbox);
        } else if !inbox.is_empty() {
            own.extend_from_slice(inbox.filled());
            inbox.consume(inbox.len());
        }
        self.held.set(own.len());
        if inbox.has_memory() {
            self.give_back(inbox);
        }
    }

    /// Puts back what the reader has left: more will be received behind it. The inbox must be empty then.
    #[inline]
    fn put_back(&self, own: &mut ReceiveBuffer) {
        self.held.set(0);
        if own.has_memory() {
            let own = std::mem::take(own);
            if own.is_empty() {
                self.give_back(own);
            } else {
                self.inbox.replace(own);
            }
        }
    }

    /// The reader consumed bytes of `own`.
    #[inline]
    pub(super) fn consumed(&self, own: &mut ReceiveBuffer) {
        self.held.set(own.len());
        if own.is_empty() || self.flow.reading_paused.get() {
            self.consumed_much(own);
        }
    }

    fn consumed_much(&self, own: &mut ReceiveBuffer) {
        if own.is_empty() && own.has_memory() {
            self.give_back(std::mem::take(own));
        }
        if self.flow.reading_paused.get() && self.held.get() + self.inbox_len() <= self.limit {
            self.resume_reading();
        }
    }

    /// Waits until there are more than `had` bytes, which is what the reader had when it began to wait: true, or
    /// false if no more will come. In either case they are all in `own` then. While it waits they are in the inbox,
    /// so nothing is lost if nobody polls again.
    ///
    /// # Errors
    ///
    /// If the connection failed.
    #[inline]
    pub(super) fn poll_more(&self, own: &mut ReceiveBuffer, had: usize, cx: &Context<'_>) -> Poll<io::Result<bool>> {
        if own.len() + self.inbox_len() > had {
            self.take_inbox(own);
            return Poll::Ready(Ok(true));
        }
        if self.flow.ended.get() {
            self.take_inbox(own);
            return Poll::Ready(self.outcome().map(|()| false));
        }
        self.put_back(own);
        // Whoever waits wants bytes, however many are there already.
        if self.flow.reading_paused.get() {
            self.resume_reading();
        }
        self.reader_waits.set(self.waiter(cx));
        Poll::Pending
    }

    #[inline]
    fn waiter(&self, cx: &Context<'_>) -> Waiter {
        match &self.event_loop {
            Some(event_loop) => event_loop.core().executor.waiter(cx),
            None => Waiter::of(cx),
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.flow.ended.get()
    }

    /// In a word, for reports.
    fn describe_end(&self) -> String {
        match self.failure() {
            Some(error) => format!("Failed({error})"),
            None if self.is_ended() => "Eof".to_owned(),
            None => "Open".to_owned(),
        }
    }

    /// The stream ended, and well.
    pub(super) fn has_eof(&self) -> bool {
        self.flow.ended.get() && self.failure().is_none()
    }

    pub(super) fn at_eof(&self, own: &ReceiveBuffer) -> bool {
        own.is_empty() && self.has_eof() && self.inbox_len() == 0
    }

    /// The reader is dropped. Bytes that still come are thrown away, so that the writer goes on.
    pub(super) fn reader_gone(&self, mut own: ReceiveBuffer) {
        self.flow.reader_gone.set(true);
        self.take_inbox(&mut own);
        own.consume(own.len());
        self.consumed(&mut own);
    }
}

impl Protocol for StreamProtocol {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.transport.set(Some(Rc::clone(&transport)));
        let Some(connected) = self.connected.take() else { return };
        let Some(this) = self.this.upgrade() else { return };
        let (reader, writer) = pair(this, transport);
        connected(reader, writer);
    }

    fn eof_received(&self) -> AfterEof {
        self.ended(None);
        AfterEof::KeepOpen
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        let transport = self.transport.take();
        drop(transport);
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
        let mut inbox = self.inbox.borrow_mut();
        if inbox.has_memory() {
            if inbox.room().len() < LEAST_ROOM {
                inbox.reserve(SMALL_BUFFER);
            }
            return std::mem::take(&mut *inbox);
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
        self.inbox.replace(buffer);
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
