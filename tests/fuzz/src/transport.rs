//! A transport and its protocol, on a network that answers as the input says.
//!
//! What is checked, after each step: the grammar of a protocol's calls; that bytes come out as they went in, in both
//! directions; that pauses and resumes alternate; that what was written is sent; how a connection ends, and that it does.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use arbitrary::Arbitrary;
use waterwheel::{
    AfterEof, BufferedProtocol, ConnectionError, LoopHandle, Protocol, Readiness, ReceiveBuffer, Transport,
};

use crate::pattern::{assert_pattern, pattern};
use crate::world::{HERE, IncomingEnd, Wire, World};

/// Either side sends no more when it has sent this.
const MOST: usize = 4 << 20;

/// How bytes are received, what happens, and what the protocol does from inside its callbacks.
#[derive(Debug, Arbitrary)]
pub struct Input {
    /// The room of the protocol's own buffer; without one it takes what the loop lends.
    own_buffer: Option<u8>,
    keeps_open: bool,
    steps: Vec<Step>,
    reactions: Vec<Vec<Call>>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Turn,
    Turns(u8),
    Call(Call),
    /// The call comes from a callback of the loop.
    CallSoon(Call),
    PeerSends(Size),
    PeerEnds,
    PeerResets,
    Room(Size),
    SendsFail(SendFailure),
    Interrupts(u8),
    Chop(u8),
    /// An event for nothing.
    Spurious {
        readable: bool,
        writable: bool,
        hang_up: bool,
    },
}

/// What may be called on a transport.
#[derive(Debug, Clone, Arbitrary)]
enum Call {
    Write(Size),
    WriteLines(Vec<Size>),
    WriteSome(Size),
    WriteEof,
    Close,
    Abort,
    PauseReading,
    ResumeReading,
    Limits(Option<u16>, Option<u16>),
    UntilSent,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum SendFailure {
    BrokenPipe,
    Other,
}

/// A number of bytes: mostly few, and at times more than the crate's own sizes.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Size(u8);

impl Size {
    fn get(self) -> usize {
        usize::from(self.0).pow(3) / 160
    }
}

/// What has become of the connection, as the protocol and its user know it.
struct Story {
    wire: Wire,
    transport: OnceCell<Rc<dyn Transport>>,
    reactions: RefCell<VecDeque<Vec<Call>>>,
    after_eof: AfterEof,
    own_buffer: Option<usize>,
    /// Within a call of the transport that the user made.
    in_call: Cell<bool>,
    written: Cell<usize>,
    received: Cell<usize>,
    checked: Cell<usize>,
    eof_written: Cell<bool>,
    ended_by_us: Cell<bool>,
    aborted: Cell<bool>,
    reading_paused: Cell<bool>,
    writing_paused: Cell<bool>,
    got_eof: Cell<bool>,
    got_closing: Cell<bool>,
    got_lost: Cell<bool>,
}

impl Story {
    fn transport(&self) -> &Rc<dyn Transport> {
        self.transport.get().expect("connection_made comes first")
    }

    /// Does what the input has the protocol do in its next callback.
    fn react(&self) {
        let Some(calls) = self.reactions.borrow_mut().pop_front() else { return };
        calls.iter().for_each(|call| self.call(call));
    }

    fn call(&self, call: &Call) {
        let was_in_call = self.in_call.replace(true);
        let transport = self.transport();
        match call {
            Call::Write(size) => self.write(size.get(), |transport, bytes| transport.write(bytes)),
            Call::WriteLines(sizes) => {
                let total = sizes.iter().map(|size| size.get()).sum();
                self.write(total, |transport, bytes| {
                    let mut rest = bytes;
                    let mut parts = Vec::new();
                    for size in sizes {
                        let (part, behind) = rest.split_at(size.get());
                        parts.push(IoSlice::new(part));
                        rest = behind;
                    }
                    transport.writelines(&parts);
                });
            }
            Call::WriteSome(size) => self.write_some(size.get()),
            Call::WriteEof => {
                // From inside of this call, too, nothing more may be written.
                self.eof_written.set(true);
                transport.write_eof();
            }
            Call::Close => {
                // What comes from now on is for nobody.
                self.ended_by_us.set(true);
                transport.close();
                assert!(transport.is_closing());
            }
            Call::Abort => {
                self.ended_by_us.set(true);
                self.aborted.set(true);
                transport.abort();
                assert!(transport.is_closing());
                assert_eq!(transport.get_write_buffer_size(), 0, "what was unsent is given up");
            }
            Call::PauseReading => {
                transport.pause_reading();
                self.reading_paused.set(true);
                assert!(!transport.is_reading());
            }
            Call::ResumeReading => {
                transport.resume_reading();
                self.reading_paused.set(false);
            }
            Call::Limits(high, low) => {
                let [high, low] = [high, low].map(|mark| mark.map(usize::from));
                let low = high.map_or(low, |high| low.map(|low| low.min(high)));
                transport.set_write_buffer_limits(high, low);
            }
            Call::UntilSent => {
                if transport.pause_until_sent() {
                    assert!(self.writing_paused.get(), "who waits until all is sent is told when");
                }
            }
        }
        self.in_call.set(was_in_call);
        self.check();
    }

    /// What was written and has not gone out.
    fn accounted(&self) -> usize {
        self.wire.sent().len() + self.transport().get_write_buffer_size()
    }

    fn write(&self, n: usize, write: impl FnOnce(&dyn Transport, &[u8])) {
        if self.eof_written.get() || self.written.get() > MOST {
            // Behind the end that would be a fault of the user, and panics.
            return;
        }
        let transport = self.transport();
        if self.gave_up() {
            transport.write(&pattern(0, n));
            assert_eq!(transport.get_write_buffer_size(), 0, "what is written then is dropped");
            return;
        }
        let was_over = transport.is_closing() && transport.get_write_buffer_size() == 0;
        let before = self.written.get();
        // What it calls from inside, such as `pause_writing`, may write more, behind these bytes. They count from now on.
        let bytes = pattern(before, n);
        self.written.set(before + n);
        let accounted = self.accounted();
        write(&**transport, &bytes);
        if self.accounted() == accounted && n > 0 && !self.gave_up() {
            // It was dropped, as the end had come.
            assert!(was_over, "{n} bytes were dropped");
            self.written.set(before);
        }
    }

    fn write_some(&self, n: usize) {
        if self.eof_written.get() || self.written.get() > MOST || n == 0 {
            return;
        }
        let before = self.written.get();
        let bytes = pattern(before, n);
        let sent = self.transport().write_some(&[IoSlice::new(&bytes)]);
        if let Some(sent) = sent {
            assert!((1..=n).contains(&sent));
            self.written.set(before + sent);
        }
    }

    /// Whether bytes may have been given up, so that they are counted no more.
    fn gave_up(&self) -> bool {
        self.aborted.get() || self.wire.send_failed() || self.wire.incoming_end() == IncomingEnd::ResetTold
    }

    /// What is true between any two calls.
    fn check(&self) {
        let sent = self.wire.sent();
        assert_pattern(&sent[self.checked.get()..], self.checked.get(), "sent");
        self.checked.set(sent.len());
        let Some(transport) = self.transport.get() else { return };
        assert!(sent.len() <= self.written.get());
        assert_eq!(
            transport.is_writing_paused() && !self.got_lost.get(),
            self.writing_paused.get() && !self.got_lost.get()
        );
        if !self.gave_up() && !self.in_call.get() {
            assert_eq!(
                sent.len() + transport.get_write_buffer_size(),
                self.written.get(),
                "no byte is lost or doubled"
            );
        }
        if self.wire.is_shut() && !self.gave_up() {
            assert_eq!(sent.len(), self.written.get(), "the end comes behind all that was written");
        }
    }

    /// A turn, or a call from outside of turns, has ended: what was written is handed over, as far as there is room.
    fn check_between_steps(&self) {
        self.check();
        let Some(transport) = self.transport.get() else { return };
        if self.wire.has_room() && !self.got_lost.get() {
            assert_eq!(transport.get_write_buffer_size(), 0, "what was written is sent");
        }
    }

    fn came(&self, data: &[u8]) {
        assert!(!self.got_eof.get() && !self.got_lost.get(), "nothing comes behind the end");
        assert!(!self.in_call.get(), "data comes from the loop");
        assert!(!self.reading_paused.get(), "data comes while reading is paused");
        assert!(!self.ended_by_us.get(), "data comes after a close");
        assert!(!data.is_empty());
        let from = self.received.get();
        assert_pattern(data, from, "received");
        self.received.set(from + data.len());
    }
}

/// What the transport is given.
struct Told(Rc<Story>);

impl Protocol for Told {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        assert!(self.0.transport.set(transport).is_ok(), "connection_made comes once");
        self.0.react();
    }

    fn data_received(&self, data: &[u8]) {
        assert!(self.0.own_buffer.is_none());
        self.0.came(data);
        self.0.react();
    }

    fn eof_received(&self) -> AfterEof {
        let story = &*self.0;
        assert!(!story.got_eof.replace(true) && !story.got_lost.get(), "the end comes once");
        assert!(!story.in_call.get() && !story.reading_paused.get() && !story.ended_by_us.get());
        assert!(
            story.wire.unreceived() == 0 && story.wire.incoming_end() == IncomingEnd::Ended,
            "it is the peer's end"
        );
        story.react();
        story.after_eof
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        let story = &*self.0;
        assert!(!story.got_lost.replace(true), "connection_lost comes once");
        assert!(!story.in_call.get(), "connection_lost comes from the loop");
        let transport = story.transport();
        assert!(transport.is_closing() && !transport.is_reading());
        if error.is_none() {
            assert!(story.ended_by_us.get() || story.got_eof.get(), "it was lost for no reason");
            assert!(story.aborted.get() || story.wire.sent().len() == story.written.get(), "a clean end has sent all");
        } else {
            assert!(story.gave_up(), "there was no error: {error:?}");
        }
        story.react();
        story.check();
    }

    fn pause_writing(&self) {
        assert!(!self.0.writing_paused.replace(true), "pause_writing alternates");
        assert!(!self.0.got_lost.get());
        self.0.react();
    }

    fn resume_writing(&self) {
        assert!(self.0.writing_paused.replace(false), "resume_writing alternates");
        assert!(!self.0.got_lost.get());
        self.0.react();
    }

    fn connection_closing(&self, _error: Option<ConnectionError>) {
        assert!(!self.0.got_closing.replace(true) && !self.0.got_lost.get(), "connection_closing comes once");
        assert!(self.0.transport().is_closing());
        self.0.react();
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.0.own_buffer.map(|_| self as &dyn BufferedProtocol)
    }
}

impl BufferedProtocol for Told {
    fn get_buffer(&self) -> ReceiveBuffer {
        ReceiveBuffer::new(self.0.own_buffer.expect("it has a size"))
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        assert_eq!(buffer.filled().len(), received);
        if received > 0 {
            self.0.came(buffer.filled());
            self.0.react();
        }
    }
}

/// What the peer and the system do.
fn peer_does(wire: &Wire, came: &mut usize, step: &Step) {
    let is_open = wire.incoming_end() == IncomingEnd::NotYet;
    match *step {
        Step::PeerSends(size) if is_open && *came < MOST => {
            wire.comes(pattern(*came, size.get()));
            *came += size.get();
        }
        Step::PeerEnds if is_open => wire.ends(IncomingEnd::Ended),
        Step::PeerResets if is_open => wire.ends(IncomingEnd::Reset),
        Step::Room(size) => wire.make_room(size.get()),
        // Behind a reset a send fails with that.
        Step::SendsFail(_) if !matches!(wire.incoming_end(), IncomingEnd::NotYet | IncomingEnd::Ended) => {}
        Step::SendsFail(SendFailure::BrokenPipe) => wire.fails(ErrorKind::BrokenPipe),
        Step::SendsFail(SendFailure::Other) => wire.fails(ErrorKind::HostUnreachable),
        Step::Interrupts(calls) => wire.interrupt(calls % 8),
        Step::Chop(most) => wire.chop(most.into()),
        Step::Spurious { readable, writable, hang_up } => {
            let bits =
                [(readable, Readiness::READABLE), (writable, Readiness::WRITABLE), (hang_up, Readiness::HANG_UP)];
            bits.iter().filter(|(is_set, _)| *is_set).for_each(|&(_, bit)| wire.event(bit));
        }
        _ => {}
    }
}

fn call_soon(event_loop: &LoopHandle, story: &Rc<Story>, call: &Call) {
    let (story, call) = (Rc::clone(story), call.clone());
    event_loop.call_soon(move || story.call(&call));
}

/// Does what the input says with a connection.
pub fn check(input: Input) {
    let mut world = World::new();
    let wire = world.wire.clone();
    let story = Rc::new(Story {
        wire: wire.clone(),
        transport: OnceCell::new(),
        reactions: RefCell::new(input.reactions.into()),
        after_eof: if input.keeps_open { AfterEof::KeepOpen } else { AfterEof::Close },
        own_buffer: input.own_buffer.map(|room| 64 + usize::from(room).pow(2)),
        in_call: Cell::new(false),
        written: Cell::new(0),
        received: Cell::new(0),
        checked: Cell::new(0),
        eof_written: Cell::new(false),
        ended_by_us: Cell::new(false),
        aborted: Cell::new(false),
        reading_paused: Cell::new(false),
        writing_paused: Cell::new(false),
        got_eof: Cell::new(false),
        got_closing: Cell::new(false),
        got_lost: Cell::new(false),
    });
    let handle = world.event_loop.handle();
    let (for_protocol, connecting) = (Rc::clone(&story), handle.clone());
    let task = handle.create_task(async move {
        let connection = connecting.create_connection(move || Rc::new(Told(for_protocol)), HERE);
        drop(connection.await.expect("this network refuses nobody"));
    });
    while story.transport.get().is_none() {
        world.turn();
    }
    let mut came = 0;
    for step in &input.steps {
        match step {
            Step::Turn => world.turn(),
            Step::Turns(turns) => (0..turns % 16).for_each(|_| world.turn()),
            Step::Call(call) => story.call(call),
            Step::CallSoon(call) => call_soon(&handle, &story, call),
            other => peer_does(&wire, &mut came, other),
        }
        story.check_between_steps();
    }
    finish(&mut world, &story, came);
    drop(task);
    let weak = Rc::downgrade(&story);
    drop(story);
    assert_eq!(weak.strong_count(), 0, "what is lost is held by nobody");
}

/// From here on nothing stands in the way: all that is under way arrives, and the connection ends.
fn finish(world: &mut World, story: &Story, came: usize) {
    let wire = world.wire.clone();
    story.reactions.take();
    world.settle();
    wire.interrupt(0);
    wire.make_room(usize::MAX);
    if wire.incoming_end() == IncomingEnd::NotYet {
        wire.ends(IncomingEnd::Ended);
    }
    story.call(&Call::ResumeReading);
    world.settle();
    story.check_between_steps();
    if !story.ended_by_us.get() && !story.gave_up() {
        assert_eq!(story.received.get(), came, "all that the peer sent has come");
        assert!(story.got_eof.get(), "and its end");
    }
    if !story.got_lost.get() {
        assert!(story.after_eof == AfterEof::KeepOpen || story.ended_by_us.get(), "the connection does not end");
        story.call(&Call::Close);
        world.settle();
    }
    assert!(story.got_lost.get(), "the connection does not end: {:?}", story.transport());
    assert!(story.got_closing.get(), "who writes was told that it ends");
    // A connection that lingers is closed when nothing has come for a while.
    world.clock.advance(Duration::from_secs(60));
    world.settle();
    assert!(wire.is_gone(), "the connection is not closed");
    let gave_up = wire.sent().len() < story.written.get();
    assert!(!gave_up || wire.is_reset(), "a part is not taken for the whole");
    assert!(gave_up || !wire.is_reset() || wire.send_failed(), "all that was written was sent, and then a reset");
}
