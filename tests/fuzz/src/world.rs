//! A network with one connection, whose every answer the target decides: no operating system, no time.
//!
//! It keeps the contract of the seam and no more: an event comes for each change, and others come for nothing; a receive
//! that brings less than it had room for is followed by an event if there is more.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::network::{
    Acceptor, BindOptions, Conduit, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending,
};
use waterwheel::testing::ManualClock;
use waterwheel::{Address, Bell, EventLoop, Events, LoopHandle, Readiness, Selector, Token};

/// Where a server of a target listens.
pub(crate) const HERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

const CONNECTION: RawFd = 1 << 20;
const LISTENER: RawFd = CONNECTION + 1;

/// A loop on a network of its own, and the one connection there.
pub(crate) struct World {
    pub(crate) event_loop: EventLoop,
    pub(crate) wire: Wire,
    pub(crate) clock: Rc<ManualClock>,
}

impl World {
    /// Any incident is a fault: the targets do nothing that should be reported.
    pub(crate) fn new() -> World {
        let (wire, clock) = (Wire::default(), Rc::new(ManualClock::new()));
        let builder = EventLoop::builder().network(Rc::new(wire.clone())).selector(Box::new(wire.clone()));
        let event_loop = builder.clock(clock.clone()).build().expect("nothing is asked of the system");
        event_loop.handle().set_exception_handler(|incident| panic!("an incident: {incident}"));
        World { event_loop, wire, clock }
    }

    pub(crate) fn turn(&mut self) {
        let _turned = self.event_loop.turn(Some(Duration::ZERO));
    }

    /// Takes turns until nothing is to be done. The bound is far over what any script leaves to be done.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000_000 {
            self.turn();
            if !self.event_loop.is_ready() && self.wire.has_no_events() {
                return;
            }
        }
        panic!("the loop spins, with {} bytes on their way to it", self.wire.unreceived());
    }
}

/// The connection. Clones are one and the same.
#[derive(Clone, Default)]
pub(crate) struct Wire(Rc<State>);

#[derive(Default)]
struct State {
    connection: Cell<Option<Token>>,
    listener: Cell<Option<Token>>,
    events: Cell<Readiness>,
    /// A connection waits to be accepted.
    is_calling: Cell<bool>,
    /// What a look-up was asked for.
    names: RefCell<Vec<String>>,
    /// On their way to us.
    incoming: RefCell<VecDeque<u8>>,
    incoming_end: Cell<IncomingEnd>,
    /// The most that one receive gives.
    chop: Cell<usize>,
    /// How many calls are interrupted from now on.
    interrupts: Cell<u8>,
    /// How many bytes can be sent.
    room: Cell<usize>,
    /// What the next send fails with. A failure is told once; then nothing can be sent.
    failure: Cell<Option<ErrorKind>>,
    cannot_send: Cell<bool>,
    /// A send took less than all, and there was no event since.
    is_blocked: Cell<bool>,
    outgoing: RefCell<Vec<u8>>,
    is_shut: Cell<bool>,
    is_reset: Cell<bool>,
    is_gone: Cell<bool>,
    send_failed: Cell<bool>,
}

/// What stands behind the incoming bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum IncomingEnd {
    #[default]
    NotYet,
    Ended,
    Reset,
    /// The reset was told, and is not told again.
    ResetTold,
}

impl Wire {
    pub(crate) fn comes(&self, bytes: Vec<u8>) {
        self.0.incoming.borrow_mut().extend(bytes);
        self.event(Readiness::READABLE);
    }

    pub(crate) fn ends(&self, end: IncomingEnd) {
        self.0.incoming_end.set(end);
        self.event(Readiness::READABLE.with(Readiness::HANG_UP));
        if end == IncomingEnd::Reset {
            self.fails(ErrorKind::ConnectionReset);
        }
    }

    pub(crate) fn incoming_end(&self) -> IncomingEnd {
        self.0.incoming_end.get()
    }

    /// Sends fail from now on.
    pub(crate) fn fails(&self, kind: ErrorKind) {
        self.0.failure.set(Some(kind));
        self.event(Readiness::WRITABLE);
    }

    /// There is room for so many bytes more.
    pub(crate) fn make_room(&self, room: usize) {
        self.0.room.set(self.0.room.get().saturating_add(room));
        if room > 0 && self.0.is_blocked.get() {
            self.event(Readiness::WRITABLE);
        }
    }

    pub(crate) fn chop(&self, most: usize) {
        self.0.chop.set(most);
    }

    pub(crate) fn interrupt(&self, calls: u8) {
        self.0.interrupts.set(calls);
    }

    pub(crate) fn event(&self, readiness: Readiness) {
        self.0.events.set(self.0.events.get().with(readiness));
    }

    pub(crate) fn calls(&self) {
        self.0.is_calling.set(true);
    }

    fn has_no_events(&self) -> bool {
        self.0.events.get() == Readiness::NONE
    }

    /// How many bytes are on their way to us.
    pub(crate) fn unreceived(&self) -> usize {
        self.0.incoming.borrow().len()
    }

    /// Whether a send would be tried and would take something.
    pub(crate) fn has_room(&self) -> bool {
        self.0.room.get() > 0 && !self.0.is_blocked.get() && !self.0.send_failed.get()
    }

    pub(crate) fn sent(&self) -> std::cell::Ref<'_, Vec<u8>> {
        self.0.outgoing.borrow()
    }

    /// What was sent, which is kept no longer.
    pub(crate) fn take_sent(&self) -> Vec<u8> {
        self.0.outgoing.take()
    }

    pub(crate) fn send_failed(&self) -> bool {
        self.0.send_failed.get()
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.0.is_shut.get()
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.0.is_reset.get()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.0.is_gone.get()
    }

    pub(crate) fn take_names(&self) -> Vec<String> {
        self.0.names.take()
    }

    fn end(&self) -> Connected {
        self.0.is_gone.set(false);
        Connected::new(End(self.clone()))
    }

    fn is_interrupted(&self) -> bool {
        let left = self.0.interrupts.get();
        self.0.interrupts.set(left.saturating_sub(1));
        left > 0
    }
}

/// Our end. When it is dropped, the connection is closed.
struct End(Wire);

impl Conduit for End {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        let state = &*self.0.0;
        assert!(!into.is_empty(), "a receive has room");
        if self.0.is_interrupted() {
            return Err(ErrorKind::Interrupted.into());
        }
        let mut incoming = state.incoming.borrow_mut();
        if incoming.is_empty() {
            return match state.incoming_end.get() {
                IncomingEnd::NotYet => Err(ErrorKind::WouldBlock.into()),
                IncomingEnd::Ended | IncomingEnd::ResetTold => Ok(0),
                IncomingEnd::Reset => {
                    state.incoming_end.set(IncomingEnd::ResetTold);
                    state.failure.set(None);
                    state.cannot_send.set(true);
                    Err(ErrorKind::ConnectionReset.into())
                }
            };
        }
        let most = match state.chop.get() {
            0 => into.len(),
            chop => into.len().min(chop),
        };
        let n = most.min(incoming.len());
        // A queue has two parts.
        let first = incoming.read(&mut into[..n])?;
        let n = first + incoming.read(&mut into[first..n])?;
        if n < into.len() && !incoming.is_empty() {
            // As if the rest had come a moment later. An end that stands behind the bytes was told with them.
            self.0.event(Readiness::READABLE);
        }
        Ok(n)
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_vectored(&[IoSlice::new(data)])
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let state = &*self.0.0;
        assert!(!state.is_shut.get(), "nothing is sent behind the end");
        if self.0.is_interrupted() {
            return Err(ErrorKind::Interrupted.into());
        }
        if let Some(kind) = state.failure.take() {
            state.cannot_send.set(true);
            if state.incoming_end.get() == IncomingEnd::Reset {
                state.incoming_end.set(IncomingEnd::ResetTold);
            }
            state.send_failed.set(true);
            return Err(kind.into());
        }
        if state.cannot_send.get() {
            state.send_failed.set(true);
            return Err(ErrorKind::BrokenPipe.into());
        }
        let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
        assert!(offered > 0, "a send has something to send");
        let taken = offered.min(state.room.get());
        state.room.set(state.room.get() - taken);
        let mut left = taken;
        for piece in pieces {
            let part = piece.len().min(left);
            state.outgoing.borrow_mut().extend_from_slice(&piece[..part]);
            left -= part;
        }
        state.is_blocked.set(taken < offered);
        if taken == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        assert!(!self.0.0.is_shut.replace(true), "our side ends once");
        Ok(())
    }

    fn reset_on_close(&self) {
        self.0.0.is_reset.set(true);
    }

    fn fd(&self) -> RawFd {
        CONNECTION
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.0.is_gone.set(true);
        self.0.0.connection.set(None);
    }
}

/// Accepts the one connection.
struct Door(Wire);

impl Acceptor for Door {
    fn listen(&self, _backlog: u32) -> io::Result<()> {
        Ok(())
    }

    fn accept(&self) -> io::Result<Connected> {
        if self.0.0.is_calling.take() { Ok(self.0.end()) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn sockname(&self) -> Option<Address> {
        Some(HERE.into())
    }

    fn fd(&self) -> RawFd {
        LISTENER
    }
}

fn answer<'a, T: 'a>(answer: io::Result<T>) -> Pending<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl Network for Wire {
    fn look_up<'a>(&'a self, _: &'a LoopHandle, host: &'a str, _: u16, _: Hints) -> Pending<'a, Vec<SocketAddr>> {
        self.0.names.borrow_mut().push(host.to_owned());
        answer(Err(ErrorKind::NotFound.into()))
    }

    fn connect<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: &'a [SocketAddr]) -> Pending<'a, Connected> {
        answer(Ok(self.end()))
    }

    fn bind<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
        answer(Ok(Box::new(Door(self.clone()))))
    }

    fn open_datagrams<'a>(&'a self, _: &'a LoopHandle, _: DatagramOptions) -> Pending<'a, Rc<dyn DatagramConduit>> {
        answer(Err(ErrorKind::Unsupported.into()))
    }
}

impl Selector for Wire {
    fn register(&mut self, fd: RawFd, token: Token) -> io::Result<()> {
        let place = if fd == CONNECTION { &self.0.connection } else { &self.0.listener };
        place.set(Some(token));
        // What is ready already is told, as by epoll.
        self.event(Readiness::READABLE.with(Readiness::WRITABLE));
        Ok(())
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        let place = if fd == CONNECTION { &self.0.connection } else { &self.0.listener };
        place.take().map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn poll(&mut self, _timeout: Option<Duration>, events: &mut Events) -> io::Result<bool> {
        let readiness = self.0.events.take();
        let mut came = false;
        if let (Some(token), false) = (self.0.connection.get(), readiness == Readiness::NONE) {
            if readiness.contains(Readiness::WRITABLE) {
                self.0.is_blocked.set(false);
            }
            events.push(token, readiness);
            came = true;
        }
        if let (Some(token), true) = (self.0.listener.get(), self.0.is_calling.get()) {
            events.push(token, Readiness::READABLE);
            came = true;
        }
        Ok(came)
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Ok(Box::new(Silent))
    }
}

/// Nobody waits: the target takes the turns.
struct Silent;

impl Bell for Silent {
    fn ring(&self) -> io::Result<()> {
        Ok(())
    }
}
