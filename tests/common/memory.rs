//! A network without an operating system: the two ends of a connection are two buffers, and the selector reports an
//! event when bytes are put into one. The network has no faults, no delay, and no descriptors.
//!
//! [`Memory::event_loop`] makes a loop on it. The tests' peers use it through [`Memory::listen`], [`Memory::connect`],
//! and the [`End`]s that these return.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use waterwheel::network::{
    Acceptor, BindOptions, Conduit, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending,
};
use waterwheel::{
    Address, Bell, Builder, EventLoop, Events, LookUpError, LookUpErrorKind, LoopHandle, Readiness, Selector, Token,
};

/// How many bytes may be on their way in one direction.
pub(crate) const ROOM: usize = 512 * 1024;

/// How many datagrams may wait for the receiver.
const DATAGRAMS: usize = 64;

/// The first number for a descriptor, far above those of the system.
const FIRST_FD: RawFd = 1 << 20;

/// The network.
#[derive(Clone, Default)]
pub(crate) struct Memory(Rc<State>);

#[derive(Default)]
struct State {
    watched: RefCell<HashMap<RawFd, Token>>,
    events: RefCell<Vec<(RawFd, Readiness)>>,
    /// The descriptors whose peers have ended their side. A loop that registers one later must also hear of it.
    hung_up: RefCell<HashSet<RawFd>>,
    fds: Cell<RawFd>,
    ports: Cell<u16>,
    listeners: RefCell<HashMap<Address, Rc<Queue<End>>>>,
    mailboxes: RefCell<HashMap<Address, Rc<Queue<Datagram>>>>,
    rung: Arc<(Mutex<bool>, Condvar)>,
}

/// What was sent, and from where.
type Datagram = (Vec<u8>, Address);

/// Connections or datagrams that wait for the owner of a descriptor.
struct Queue<T> {
    fd: RawFd,
    /// Whether the queue accepts anything yet. A bound socket does not until it listens.
    is_open: Cell<bool>,
    items: RefCell<VecDeque<T>>,
}

impl Memory {
    /// A loop on this network.
    pub(crate) fn event_loop(&self) -> EventLoop {
        self.builder().build().expect("nothing is asked of the system")
    }

    /// Builds a loop on this network.
    pub(crate) fn builder(&self) -> Builder {
        EventLoop::builder().network(Rc::new(self.clone())).selector(Box::new(self.clone()))
    }

    /// Listens at an address, as a peer.
    pub(crate) fn listen(&self, at: impl Into<Address>) -> Listener {
        let listener = self.bind_to(at.into()).expect("the address is free");
        listener.queue.is_open.set(true);
        listener
    }

    /// Connects as a peer.
    pub(crate) fn connect(&self, to: impl Into<Address>) -> io::Result<End> {
        let (to, port) = (to.into(), self.free_port());
        let from = match &to {
            Address::Unix(_) => Address::unix(format!("\0{port}")).expect("an abstract name"),
            _ => Address::Inet((Ipv4Addr::LOCALHOST, port).into()),
        };
        let listener = self.listener_at(&to).ok_or(ErrorKind::ConnectionRefused)?;
        let (ours, theirs) = self.pair(from, to);
        listener.items.borrow_mut().push_back(theirs);
        self.tell(listener.fd, Readiness::READABLE);
        Ok(ours)
    }

    /// The two ends of a connection.
    fn pair(&self, one: Address, other: Address) -> (End, End) {
        let (there, back) = (Rc::new(Pipe::default()), Rc::new(Pipe::default()));
        let fds = [self.next_fd(), self.next_fd()];
        let end = |mine: usize, outbox: &Rc<Pipe>, inbox: &Rc<Pipe>, local: &Address, peer: &Address| End {
            memory: self.clone(),
            fd: fds[mine],
            peer_fd: fds[1 - mine],
            outbox: Rc::clone(outbox),
            inbox: Rc::clone(inbox),
            resets: Cell::new(false),
            is_answered: Cell::new(false),
            names: (local.clone(), peer.clone()),
        };
        (end(0, &there, &back, &one, &other), end(1, &back, &there, &other, &one))
    }

    fn bind_to(&self, at: Address) -> io::Result<Listener> {
        let at = self.with_port(at);
        let mut listeners = self.0.listeners.borrow_mut();
        if listeners.contains_key(&at) {
            return Err(ErrorKind::AddrInUse.into());
        }
        let queue = Rc::new(Queue { fd: self.next_fd(), is_open: Cell::new(false), items: RefCell::default() });
        listeners.insert(at.clone(), Rc::clone(&queue));
        Ok(Listener { memory: self.clone(), at, queue })
    }

    fn listener_at(&self, to: &Address) -> Option<Rc<Queue<End>>> {
        let listeners = self.0.listeners.borrow();
        let everywhere = |ip: IpAddr| to.as_inet().map(|to| Address::Inet((ip, to.port()).into()));
        let anywhere = [everywhere(Ipv4Addr::UNSPECIFIED.into()), everywhere(Ipv6Addr::UNSPECIFIED.into())];
        let candidates = std::iter::once(to.clone()).chain(anywhere.into_iter().flatten());
        let found = candidates.into_iter().find_map(|at| listeners.get(&at).cloned());
        found.filter(|listener| listener.is_open.get())
    }

    fn with_port(&self, at: Address) -> Address {
        match at {
            Address::Inet(inet) if inet.port() == 0 => Address::Inet(SocketAddr::new(inet.ip(), self.free_port())),
            at => at,
        }
    }

    fn free_port(&self) -> u16 {
        self.0.ports.set(self.0.ports.get() + 1);
        40_000 + self.0.ports.get()
    }

    fn next_fd(&self) -> RawFd {
        self.0.fds.set(self.0.fds.get() + 1);
        FIRST_FD + self.0.fds.get()
    }

    /// Makes the selector report this readiness for the descriptor, if it is registered.
    pub(crate) fn tell(&self, fd: RawFd, readiness: Readiness) {
        if readiness.contains(Readiness::HANG_UP) {
            self.0.hung_up.borrow_mut().insert(fd);
        }
        self.0.events.borrow_mut().push((fd, readiness));
    }
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    bytes: RefCell<VecDeque<u8>>,
    /// No more bytes will follow.
    ended: Cell<bool>,
    /// The receiving end was dropped.
    unheard: Cell<bool>,
    /// The sending end has reset the connection. The receiver gets the error once, after the bytes.
    reset: Cell<bool>,
}

/// One end of a connection.
pub(crate) struct End {
    memory: Memory,
    fd: RawFd,
    peer_fd: RawFd,
    inbox: Rc<Pipe>,
    outbox: Rc<Pipe>,
    resets: Cell<bool>,
    /// Whether a send was answered by a reset, since the peer is gone.
    is_answered: Cell<bool>,
    /// The local name, and the peer's.
    names: (Address, Address),
}

impl End {
    /// As with TCP, the first send to a peer that is gone succeeds, and is answered by a reset.
    fn send_to_nobody(&self, data: &[u8]) -> io::Result<usize> {
        if self.names.0.as_inet().is_none() || self.is_answered.replace(true) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.inbox.reset.set(true);
        self.memory.tell(self.fd, Readiness::READABLE.with(Readiness::WRITABLE).with(Readiness::HANG_UP));
        Ok(data.len())
    }

    fn connected(self) -> Connected {
        let (local, peer) = self.names.clone();
        Connected::new(self).with_names(Some(peer), Some(Rc::new(local)))
    }
}

impl Conduit for End {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.inbox.bytes.borrow_mut();
        if bytes.is_empty() {
            return match (self.inbox.reset.take(), self.inbox.ended.get()) {
                (true, _) => Err(ErrorKind::ConnectionReset.into()),
                (_, true) => Ok(0),
                (_, false) => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let was_full = bytes.len() >= ROOM;
        let n = io::Read::read(&mut *bytes, into)?;
        let mut n = n;
        if n < into.len() {
            // A deque consists of two slices.
            n += io::Read::read(&mut *bytes, &mut into[n..])?;
        }
        if was_full {
            self.memory.tell(self.peer_fd, Readiness::WRITABLE);
        }
        Ok(n)
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        if self.inbox.reset.get() && !self.is_answered.get() {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.outbox.ended.get() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.outbox.unheard.get() && !data.is_empty() {
            return self.send_to_nobody(data);
        }
        let mut bytes = self.outbox.bytes.borrow_mut();
        let n = data.len().min(ROOM - bytes.len());
        if n == 0 && !data.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        bytes.extend(&data[..n]);
        self.memory.tell(self.peer_fd, Readiness::READABLE);
        Ok(n)
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut sent = 0;
        for piece in pieces {
            match self.send(piece) {
                Ok(n) if n < piece.len() => return Ok(sent + n),
                Ok(n) => sent += n,
                Err(_) if sent > 0 => return Ok(sent),
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.outbox.ended.set(true);
        self.memory.tell(self.peer_fd, Readiness::READABLE.with(Readiness::HANG_UP));
        Ok(())
    }

    fn reset_on_close(&self) {
        self.resets.set(true);
    }

    fn fd(&self) -> RawFd {
        self.fd
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // As with a socket, closing with unread bytes resets the connection.
        let unread = !self.inbox.bytes.borrow().is_empty();
        self.outbox.reset.set(self.resets.get() || unread);
        self.outbox.ended.set(true);
        self.inbox.unheard.set(true);
        self.memory.0.hung_up.borrow_mut().remove(&self.fd);
        self.memory.0.watched.borrow_mut().remove(&self.fd);
        let all = Readiness::READABLE.with(Readiness::WRITABLE).with(Readiness::HANG_UP);
        self.memory.tell(self.peer_fd, all);
    }
}

/// A listening address, and the connections to it.
pub(crate) struct Listener {
    memory: Memory,
    at: Address,
    queue: Rc<Queue<End>>,
}

impl Listener {
    pub(crate) fn address(&self) -> Address {
        self.at.clone()
    }

    /// The next connection. Panics if there is none.
    pub(crate) fn next(&self) -> End {
        self.try_next().expect("somebody has connected")
    }

    /// The next connection, if there is one.
    pub(crate) fn try_next(&self) -> Option<End> {
        self.queue.items.borrow_mut().pop_front()
    }
}

impl Acceptor for Listener {
    fn listen(&self, _backlog: u32) -> io::Result<()> {
        self.queue.is_open.set(true);
        Ok(())
    }

    fn accept(&self) -> io::Result<Connected> {
        self.try_next().map(End::connected).ok_or_else(|| ErrorKind::WouldBlock.into())
    }

    fn sockname(&self) -> Option<Address> {
        Some(self.at.clone())
    }

    fn fd(&self) -> RawFd {
        self.queue.fd
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.memory.0.listeners.borrow_mut().remove(&self.at);
        self.memory.0.watched.borrow_mut().remove(&self.queue.fd);
    }
}

/// A datagram socket.
struct Mailbox {
    memory: Memory,
    at: Address,
    peer: Option<Address>,
    queue: Rc<Queue<Datagram>>,
}

impl DatagramConduit for Mailbox {
    fn recv_from<'m>(&self, memory: &'m mut [u8], larger: &'m mut Vec<u8>) -> io::Result<(&'m [u8], Address)> {
        let (data, from) = self.queue.items.borrow_mut().pop_front().ok_or(ErrorKind::WouldBlock)?;
        if data.len() <= memory.len() {
            memory[..data.len()].copy_from_slice(&data);
            return Ok((&memory[..data.len()], from));
        }
        *larger = data;
        Ok((larger, from))
    }

    fn send_to(&self, data: &[u8], to: Option<&Address>) -> io::Result<()> {
        let to = to.or(self.peer.as_ref()).ok_or(ErrorKind::NotConnected)?;
        let boxes = self.memory.0.mailboxes.borrow();
        let theirs = boxes.get(to).ok_or(ErrorKind::ConnectionRefused)?;
        let mut items = theirs.items.borrow_mut();
        // As with UDP, a datagram that does not fit into the queue is lost.
        if items.len() < DATAGRAMS {
            items.push_back((data.to_vec(), self.at.clone()));
            self.memory.tell(theirs.fd, Readiness::READABLE);
        }
        Ok(())
    }

    fn peername(&self) -> Option<Address> {
        self.peer.clone()
    }

    fn sockname(&self) -> Option<Address> {
        Some(self.at.clone())
    }

    fn fd(&self) -> RawFd {
        self.queue.fd
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.memory.0.mailboxes.borrow_mut().remove(&self.at);
        self.memory.0.watched.borrow_mut().remove(&self.queue.fd);
    }
}

fn answer<'a, T: 'a>(answer: io::Result<T>) -> Pending<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl Network for Memory {
    /// Every host name that ends in `.memory` is this machine.
    fn look_up<'a>(&'a self, _: &'a LoopHandle, host: &'a str, port: u16, _: Hints) -> Pending<'a, Vec<SocketAddr>> {
        answer(match host.ends_with(".memory") {
            true => Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]),
            false => Err(LookUpError::new(host, LookUpErrorKind::NoSuchName, ErrorKind::NotFound.into()).into()),
        })
    }

    fn connect<'a>(&'a self, _: &'a LoopHandle, to: &'a Address, _: &'a [SocketAddr]) -> Pending<'a, Connected> {
        answer(Memory::connect(self, to.clone()).map(End::connected))
    }

    fn bind<'a>(&'a self, _: &'a LoopHandle, at: &'a Address, _: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
        answer(self.bind_to(at.clone()).map(|listener| Box::new(listener) as Box<dyn Acceptor>))
    }

    fn open_datagrams<'a>(
        &'a self,
        _: &'a LoopHandle,
        options: DatagramOptions,
    ) -> Pending<'a, Rc<dyn DatagramConduit>> {
        let unbound = match &options.connect_to {
            Some(Address::Inet(_)) => Address::Inet((Ipv4Addr::LOCALHOST, 0).into()),
            _ => Address::unix(format!("\0{}", self.free_port())).expect("an abstract name"),
        };
        let at = self.with_port(options.bind_to.unwrap_or(unbound));
        let queue = Rc::new(Queue { fd: self.next_fd(), is_open: Cell::new(true), items: RefCell::default() });
        self.0.mailboxes.borrow_mut().insert(at.clone(), Rc::clone(&queue));
        answer(Ok(Rc::new(Mailbox { memory: self.clone(), at, peer: options.connect_to, queue })))
    }
}

impl Selector for Memory {
    fn register(&mut self, fd: RawFd, token: Token) -> io::Result<()> {
        assert!(fd >= FIRST_FD, "no descriptor of the system comes here");
        self.0.watched.borrow_mut().insert(fd, token);
        // Events before the registration went unreported. A spurious event costs only one attempt.
        let hung_up = self.0.hung_up.borrow().contains(&fd);
        let readiness = Readiness::READABLE.with(Readiness::WRITABLE);
        self.tell(fd, if hung_up { readiness.with(Readiness::HANG_UP) } else { readiness });
        Ok(())
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        self.0.watched.borrow_mut().remove(&fd).map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Events) -> io::Result<bool> {
        let came = self.0.events.take();
        let mut is_awake = !came.is_empty();
        for (fd, readiness) in came {
            if let Some(&token) = self.0.watched.borrow().get(&fd) {
                events.push(token, readiness);
            }
        }
        let (rung, bell) = &*self.0.rung;
        let mut rung = rung.lock().expect("nobody panics with it");
        if !is_awake && !*rung && timeout != Some(Duration::ZERO) {
            let longest = timeout.unwrap_or(Duration::MAX);
            rung = bell.wait_timeout_while(rung, longest, |rung| !*rung).expect("nobody panics with it").0;
        }
        is_awake |= std::mem::take(&mut *rung);
        Ok(is_awake)
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Ok(Box::new(MemoryBell(Arc::clone(&self.0.rung))))
    }
}

struct MemoryBell(Arc<(Mutex<bool>, Condvar)>);

impl Bell for MemoryBell {
    fn ring(&self) -> io::Result<()> {
        *self.0.0.lock().expect("nobody panics with it") = true;
        self.0.1.notify_one();
        Ok(())
    }
}
