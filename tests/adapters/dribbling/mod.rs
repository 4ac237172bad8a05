//! A network in memory whose connections dribble: they take and give one or a few bytes at a time, return `WouldBlock`
//! and become ready a little later, stall until a test releases them, and report spurious events. A seed decides all
//! of this.

mod conduit;

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::network::{
    Acceptor, BindOptions, Conduit, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending,
};
use waterwheel::{Address, Bell, EventLoop, Events, LoopHandle, Readiness, Selector, Token};

use crate::common::memory::{End, Listener, Memory};
use crate::dribble::Random;
use conduit::Dribble;
pub(crate) use conduit::Seen;

/// How often each fault happened.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) one_byte_reads: usize,
    pub(crate) one_byte_writes: usize,
    pub(crate) short_writes: usize,
    pub(crate) pauses: usize,
    pub(crate) stalls: usize,
    pub(crate) events_for_nothing: usize,
}

/// The network, and the selector of a loop on it.
#[derive(Clone)]
pub(crate) struct Dribbling(Rc<State>);

struct State {
    memory: Memory,
    random: RefCell<Random>,
    faults: Cell<Faults>,
    /// Events, each reported after the given number of further polls.
    owed: RefCell<Vec<(RawFd, Readiness, usize)>>,
    connections: RefCell<Vec<(RawFd, Rc<Seen>)>>,
    is_stalled: Cell<bool>,
    /// Everything passes at once: the network only counts.
    is_steady: bool,
    /// Whether spurious events are reported. They could hide that a real event was lost.
    reports_nothing: bool,
}

impl Dribbling {
    pub(crate) fn new(seed: u64) -> Dribbling {
        Dribbling::made(seed, false)
    }

    /// A network that does not dribble, but counts what passes through it.
    pub(crate) fn steady() -> Dribbling {
        Dribbling::made(0, true)
    }

    fn made(seed: u64, is_steady: bool) -> Dribbling {
        Dribbling(Rc::new(State {
            is_steady,
            memory: Memory::default(),
            random: RefCell::new(Random::new(seed)),
            faults: Cell::default(),
            owed: RefCell::default(),
            connections: RefCell::default(),
            is_stalled: Cell::new(false),
            reports_nothing: seed % 2 == 1,
        }))
    }

    pub(crate) fn event_loop(&self) -> EventLoop {
        let builder = EventLoop::builder().network(Rc::new(self.clone())).selector(Box::new(self.clone()));
        builder.build().expect("nothing is asked of the system")
    }

    /// The network below, for peers that do not dribble.
    pub(crate) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    pub(crate) fn faults(&self) -> Faults {
        self.0.faults.get()
    }

    /// The counts of the first connection.
    pub(crate) fn first_connection(&self) -> Rc<Seen> {
        Rc::clone(&self.0.connections.borrow()[0].1)
    }

    pub(crate) fn is_stalled(&self) -> bool {
        self.0.is_stalled.get()
    }

    /// While the network stalls, nothing passes through any connection.
    pub(crate) fn stall(&self, is_stalled: bool) {
        self.0.is_stalled.set(is_stalled);
        if !is_stalled {
            for &(fd, _) in &*self.0.connections.borrow() {
                self.owe(fd, Readiness::READABLE.with(Readiness::WRITABLE));
            }
        }
    }

    fn count(&self, count: impl FnOnce(&mut Faults)) {
        let mut faults = self.0.faults.get();
        count(&mut faults);
        self.0.faults.set(faults);
    }

    fn below(&self, limit: usize) -> usize {
        self.0.random.borrow_mut().below(limit)
    }

    fn owe(&self, fd: RawFd, readiness: Readiness) {
        let later = self.below(3);
        self.0.owed.borrow_mut().push((fd, readiness, later));
    }

    /// How many bytes may pass now, or `WouldBlock`.
    fn room(&self, fd: RawFd, readiness: Readiness) -> io::Result<usize> {
        if self.is_stalled() {
            self.count(|faults| faults.stalls += 1);
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.0.is_steady {
            return Ok(usize::MAX);
        }
        if self.below(8) == 0 {
            self.count(|faults| faults.pauses += 1);
            self.owe(fd, readiness);
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(self.0.random.borrow_mut().size())
    }

    fn over(&self, end: End) -> Connected {
        let fd = end.fd();
        let dribble = Dribble::new(self.clone(), end);
        self.0.connections.borrow_mut().push((fd, Rc::clone(dribble.seen())));
        Connected::new(dribble)
    }
}

struct Accepts {
    network: Dribbling,
    listener: Listener,
}

impl Acceptor for Accepts {
    fn listen(&self, backlog: u32) -> io::Result<()> {
        self.listener.listen(backlog)
    }

    fn accept(&self) -> io::Result<Connected> {
        let end = self.listener.try_next();
        end.map(|end| self.network.over(end)).ok_or_else(|| ErrorKind::WouldBlock.into())
    }

    fn sockname(&self) -> Option<Address> {
        self.listener.sockname()
    }

    fn fd(&self) -> RawFd {
        self.listener.fd()
    }
}

impl Network for Dribbling {
    fn look_up<'a>(
        &'a self,
        on: &'a LoopHandle,
        host: &'a str,
        port: u16,
        hints: Hints,
    ) -> Pending<'a, Vec<SocketAddr>> {
        self.memory().look_up(on, host, port, hints)
    }

    fn connect<'a>(&'a self, _: &'a LoopHandle, to: &'a Address, _: &'a [SocketAddr]) -> Pending<'a, Connected> {
        Box::pin(async { Ok(self.over(self.memory().connect(to.clone())?)) })
    }

    fn bind<'a>(&'a self, _: &'a LoopHandle, at: &'a Address, _: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
        let accepts = Accepts { network: self.clone(), listener: self.memory().listen(at.clone()) };
        Box::pin(async { Ok(Box::new(accepts) as Box<dyn Acceptor>) })
    }

    fn open_datagrams<'a>(&'a self, on: &'a LoopHandle, with: DatagramOptions) -> Pending<'a, Rc<dyn DatagramConduit>> {
        self.memory().open_datagrams(on, with)
    }
}

impl Selector for Dribbling {
    fn register(&mut self, fd: RawFd, token: Token) -> io::Result<()> {
        self.memory().clone().register(fd, token)
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.memory().clone().deregister(fd)
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Events) -> io::Result<bool> {
        let owed = self.0.owed.take();
        for (fd, readiness, later) in owed {
            match later {
                0 => self.memory().tell(fd, readiness),
                _ => self.0.owed.borrow_mut().push((fd, readiness, later - 1)),
            }
        }
        if self.0.reports_nothing && self.below(16) == 0 {
            for &(fd, _) in &*self.0.connections.borrow() {
                self.memory().tell(fd, Readiness::READABLE.with(Readiness::WRITABLE));
            }
            self.count(|faults| faults.events_for_nothing += 1);
        }
        let waits = self.0.owed.borrow().is_empty();
        self.memory().clone().poll(if waits { timeout } else { Some(Duration::ZERO) }, events)
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        self.memory().clone().bell()
    }
}
