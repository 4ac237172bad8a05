//! The protocol behind a reader and a writer.
//!
//! Received bytes change hands by move. The protocol receives into the inbox; the reader takes the inbox when it
//! needs bytes and reads from its own hands, where nothing else touches them; before it waits it puts back what it
//! has left, so that more is received behind it and one buffer serves any number of small packets. A stream that
//! waits with nothing received owns no buffer at all.

mod draining;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::{Rc, Weak};
use std::task::Poll;

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
    transport: RefCell<Option<Rc<dyn Transport>>>,
    /// Received, and not yet taken by the reader.
    inbox: Cell<ReceiveBuffer>,
    /// How many bytes the reader has in its own hands.
    held: Cell<usize>,
    limit: usize,
    end: RefCell<End>,
    flow: Cell<Flow>,
    reader_waits: WaiterCell,
    /// Those who wait in `drain`.
    drains: Waiters,
    /// Those who wait for the connection to be lost.
    closes: Waiters,
    connected: Cell<Option<Connected>>,
}

/// How far the incoming bytes have come.
#[derive(Debug, Clone)]
enum End {
    /// More may come.
    Open,
    /// No more will come, and nothing went wrong.
    Eof,
    /// No more will come: the connection failed.
    Failed(ConnectionError),
}

/// The flags of both directions. Each is about something else, so all combinations are possible.
#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    /// The transport's reading was paused by us, since the reader has more than it reads.
    reading_paused: bool,
    /// The transport told us to pause writing.
    writing_paused: bool,
    /// `connection_lost` has come.
    lost: bool,
    /// The last receive filled its buffer: the next one should be large.
    bulk: bool,
    /// The reader was dropped: what comes is thrown away.
    reader_gone: bool,
}

impl StreamProtocol {
    pub(crate) fn new(event_loop: Option<LoopHandle>, limit: usize, connected: Option<Connected>) -> Rc<Self> {
        Rc::new_cyclic(|this| StreamProtocol {
            this: this.clone(),
            event_loop,
            transport: RefCell::new(None),
            inbox: Cell::default(),
            held: Cell::new(0),
            limit,
            end: RefCell::new(End::Open),
            flow: Cell::default(),
            reader_waits: WaiterCell::default(),
            drains: Waiters::default(),
            closes: Waiters::default(),
            connected: Cell::new(connected),
        })
    }

    pub(super) fn event_loop(&self) -> Option<&LoopHandle> {
        self.event_loop.as_ref()
    }

    fn change(&self, change: impl FnOnce(&mut Flow)) {
        let mut flow = self.flow.get();
        change(&mut flow);
        self.flow.set(flow);
    }

    fn transport(&self) -> Option<Rc<dyn Transport>> {
        self.transport.borrow().clone()
    }

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
        if self.held.get() + in_inbox > self.limit.saturating_mul(2) && !self.flow.get().reading_paused {
            self.pause_reading();
        }
    }

    #[cold]
    fn pause_reading(&self) {
        if let Some(transport) = self.transport() {
            self.change(|flow| flow.reading_paused = true);
            transport.pause_reading();
        }
    }

    #[cold]
    fn resume_reading(&self) {
        self.change(|flow| flow.reading_paused = false);
        if let Some(transport) = self.transport() {
            transport.resume_reading();
        }
    }

    /// Adds bytes as if they had been received.
    pub(super) fn feed(&self, data: &[u8]) {
        let mut inbox = self.inbox.take();
        if !self.flow.get().reader_gone {
            inbox.extend_from_slice(data);
        }
        let len = inbox.len();
        self.inbox.set(inbox);
        if !data.is_empty() {
            self.received(len);
        }
    }

    /// Ends the incoming side, unless it has ended before.
    pub(super) fn feed_eof(&self) {
        if !self.is_ended() {
            self.ended(End::Eof);
        }
    }

    /// Lets the incoming side fail, also if it has ended before.
    pub(super) fn fail(&self, error: ConnectionError) {
        self.ended(End::Failed(error));
    }

    fn ended(&self, end: End) {
        let earlier = self.end.replace(end);
        drop(earlier);
        self.reader_waits.wake();
    }

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
        if inbox.capacity() > 0 {
            self.give_back(inbox);
        }
    }

    /// Puts back what the reader has left: more will be received behind it. The inbox must have been taken.
    #[inline]
    fn put_back(&self, own: &mut ReceiveBuffer) {
        let own = std::mem::take(own);
        self.held.set(0);
        if !own.is_empty() {
            self.inbox.set(own);
        } else if own.capacity() > 0 {
            self.give_back(own);
        }
    }

    /// The reader consumed bytes of `own`.
    #[inline]
    pub(super) fn consumed(&self, own: &mut ReceiveBuffer) {
        self.held.set(own.len());
        if own.is_empty() && own.capacity() > 0 {
            self.give_back(std::mem::take(own));
        }
        if self.flow.get().reading_paused && self.held.get() + self.inbox_len() <= self.limit {
            self.resume_reading();
        }
    }

    /// Waits until there are more bytes than `own` has: true, or false if no more will come. In either case they
    /// are all in `own` then. Nothing is lost if the future is dropped: the bytes are in the inbox.
    ///
    /// # Errors
    ///
    /// If the connection failed.
    pub(super) async fn more(&self, own: &mut ReceiveBuffer) -> io::Result<bool> {
        let had = own.len();
        loop {
            self.take_inbox(own);
            if own.len() > had {
                return Ok(true);
            }
            match &*self.end.borrow() {
                End::Open => {}
                End::Eof => return Ok(false),
                End::Failed(error) => return Err(error.to_io_error()),
            }
            self.put_back(own);
            // Whoever waits wants bytes, however many are there already.
            if self.flow.get().reading_paused {
                self.resume_reading();
            }
            poll_fn(|cx| {
                if self.inbox_len() > had || self.is_ended() {
                    return Poll::Ready(());
                }
                self.reader_waits.set(Waiter::of(cx));
                Poll::Pending
            })
            .await;
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        !matches!(*self.end.borrow(), End::Open)
    }

    pub(super) fn has_eof(&self) -> bool {
        matches!(*self.end.borrow(), End::Eof)
    }

    pub(super) fn at_eof(&self, own: &ReceiveBuffer) -> bool {
        own.is_empty() && self.has_eof() && self.inbox_len() == 0
    }

    /// The reader is dropped. Bytes that still come are thrown away, so that the writer goes on.
    pub(super) fn reader_gone(&self, mut own: ReceiveBuffer) {
        self.change(|flow| flow.reader_gone = true);
        self.take_inbox(&mut own);
        own.consume(own.len());
        self.consumed(&mut own);
    }
}

impl Protocol for StreamProtocol {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.transport.replace(Some(Rc::clone(&transport)));
        let Some(connected) = self.connected.take() else { return };
        let Some(this) = self.this.upgrade() else { return };
        let (reader, writer) = pair(this, transport);
        connected(reader, writer);
    }

    fn eof_received(&self) -> AfterEof {
        self.ended(End::Eof);
        AfterEof::KeepOpen
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        let transport = self.transport.take();
        drop(transport);
        self.change(|flow| flow.lost = true);
        match error {
            Some(error) => self.fail(error),
            None => self.ended(End::Eof),
        }
        self.closes.wake_all();
        self.drains.wake_all();
    }

    fn pause_writing(&self) {
        self.change(|flow| flow.writing_paused = true);
    }

    fn resume_writing(&self) {
        self.change(|flow| flow.writing_paused = false);
        self.drains.wake_all();
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }
}

impl BufferedProtocol for StreamProtocol {
    #[inline]
    fn get_buffer(&self) -> ReceiveBuffer {
        let mut inbox = self.inbox.take();
        if inbox.capacity() > 0 {
            if inbox.room().len() < LEAST_ROOM {
                inbox.reserve(SMALL_BUFFER);
            }
            return inbox;
        }
        match &self.event_loop {
            Some(event_loop) => event_loop.core().buffers.take(self.flow.get().bulk),
            None => ReceiveBuffer::new(SMALL_BUFFER),
        }
    }

    #[inline]
    fn buffer_updated(&self, mut buffer: ReceiveBuffer, received: usize) {
        let flow = self.flow.get();
        let full = buffer.room().is_empty();
        if full != flow.bulk && received > 0 {
            self.change(|flow| flow.bulk = full);
        }
        if flow.reader_gone {
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
            .field("end", &*self.end.borrow())
            .field("flow", &self.flow.get())
            .finish_non_exhaustive()
    }
}
