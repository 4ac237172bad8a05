//! Our end of a connection, and the other end: a socket, with or without TLS on it, driven by steps.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use socket2::Socket;
use waterwheel::network::Conduit;
use waterwheel::{Endpoint, StreamFeeder, StreamReader, StreamWriter, Transport, sleep, yield_now};

use crate::common::memory::{self, Listener, Memory};
use crate::session::Session;

/// Our end of a connection, as far as the scenario uses it, and the peer.
#[derive(Default)]
pub(crate) struct End {
    pub(crate) transport: RefCell<Option<Rc<dyn Transport>>>,
    pub(crate) writer: RefCell<Option<Rc<StreamWriter>>>,
    pub(crate) feeder: RefCell<Option<StreamFeeder>>,
    pub(crate) peer: RefCell<Option<Rc<Peer>>>,
    /// `None` while a read has it.
    reader: Cell<Option<StreamReader>>,
    /// What was read last, for `echo`.
    pub(crate) last: RefCell<Vec<u8>>,
}

impl End {
    pub(crate) fn set_reader(&self, reader: StreamReader) {
        self.reader.set(Some(reader));
    }

    /// Lends the reader. `None` while another read has it.
    pub(crate) fn lend(self: &Rc<Self>) -> Option<Lent> {
        let reader = self.reader.take()?;
        Some(Lent { end: Rc::clone(self), reader: Some(reader) })
    }

    pub(crate) fn peer(&self) -> Rc<Peer> {
        self.peer.borrow().clone().expect("there is a peer")
    }

    pub(crate) fn writer(&self) -> Rc<StreamWriter> {
        self.writer.borrow().clone().expect("there is a writer")
    }

    /// The transport, or that of the writer.
    pub(crate) fn below(&self) -> Rc<dyn Transport> {
        let transport = self.transport.borrow().clone();
        transport.unwrap_or_else(|| self.writer().transport())
    }

    /// Once our side has sent its end of stream, lets a peer's session answer it, as the kernel does for a plain peer.
    pub(crate) fn attend(&self) {
        let peer = self.peer.borrow().clone();
        let transport = self.transport.borrow().clone();
        let transport = transport.or_else(|| self.writer.borrow().as_ref().map(|writer| writer.transport()));
        if let (Some(peer), Some(transport)) = (peer, transport) {
            if transport.is_closing() && transport.get_write_buffer_size() == 0 {
                peer.attend();
            }
        }
    }
}

/// A reader that goes back to its end when the read is over, even if it is cancelled.
pub(crate) struct Lent {
    end: Rc<End>,
    reader: Option<StreamReader>,
}

impl Lent {
    pub(crate) fn reader(&mut self) -> &mut StreamReader {
        self.reader.as_mut().expect("it is there until it goes back")
    }

    pub(crate) fn remember(&self, data: &[u8]) {
        self.end.last.replace(data.to_vec());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.end.reader.set(self.reader.take());
    }
}

/// How a read of the peer ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ended {
    Eof,
    Lost,
    /// The wire ended before the TLS session did.
    Truncated,
}

/// Within this many turns a loss is delivered, and the tasks that wait for it have run.
const TURNS_OF_AN_END: usize = 5;

/// What carries a peer's bytes. No method waits.
#[derive(Clone)]
enum Wire {
    Socket(Rc<Socket>),
    Memory(Rc<InMemory>),
}

/// The peer's end of a connection in memory, which exists once our end has connected.
struct InMemory {
    listener: Option<Listener>,
    end: OnceCell<memory::End>,
}

impl InMemory {
    fn end(&self) -> &memory::End {
        self.end.get_or_init(|| self.listener.as_ref().expect("either is there").next())
    }
}

impl Wire {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Socket(socket) => (&**socket).read(into),
            Wire::Memory(memory) => memory.end().recv(into),
        }
    }

    fn write(&self, data: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Socket(socket) => (&**socket).write(data),
            Wire::Memory(memory) => memory.end().send(data),
        }
    }

    fn shutdown(&self) -> io::Result<()> {
        match self {
            Wire::Socket(socket) => socket.shutdown(Shutdown::Write),
            Wire::Memory(memory) => memory.end().shutdown_write(),
        }
    }

    /// Makes the next close a reset.
    fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Wire::Socket(socket) => socket.set_linger(Some(Duration::ZERO)),
            Wire::Memory(memory) => {
                memory.end().reset_on_close();
                Ok(())
            }
        }
    }
}

pub(crate) struct Peer {
    wire: RefCell<Option<Wire>>,
    session: RefCell<Session>,
    /// What has arrived and is still unread.
    got: RefCell<Vec<u8>>,
    ended: Cell<Option<Ended>>,
}

impl Peer {
    pub(crate) fn new(socket: Socket) -> Rc<Peer> {
        Peer::with(socket, Session::Plain)
    }

    pub(crate) fn with(socket: Socket, session: Session) -> Rc<Peer> {
        socket.set_nonblocking(true).expect("a socket can be made non-blocking");
        Peer::over(Wire::Socket(Rc::new(socket)), session)
    }

    /// A peer in memory that is connected.
    pub(crate) fn in_memory(end: memory::End) -> Rc<Peer> {
        Peer::over(Wire::Memory(Rc::new(InMemory { listener: None, end: end.into() })), Session::Plain)
    }

    /// A peer in memory that our end will connect to.
    fn that_listens(listener: Listener) -> Rc<Peer> {
        let in_memory = InMemory { listener: Some(listener), end: OnceCell::new() };
        Peer::over(Wire::Memory(Rc::new(in_memory)), Session::Plain)
    }

    fn over(wire: Wire, session: Session) -> Rc<Peer> {
        Rc::new(Peer {
            wire: RefCell::new(Some(wire)),
            session: RefCell::new(session),
            got: RefCell::default(),
            ended: Cell::default(),
        })
    }

    fn wire(&self) -> Wire {
        self.wire.borrow().clone().expect("the peer is open")
    }

    pub(crate) async fn send(&self, data: &[u8]) -> io::Result<()> {
        let wire = self.session.borrow_mut().seal(data);
        self.send_wire(&wire).await
    }

    async fn send_wire(&self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.wire().write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause().await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Performs the session's handshake, if it has one.
    pub(crate) async fn handshake(self: Rc<Self>) {
        while self.session.borrow().is_handshaking() && self.ended.get().is_none() {
            if !self.receive(usize::MAX) {
                pause().await;
            }
        }
    }

    /// Receives what has arrived, about as much as is wanted. False if there is nothing.
    fn receive(&self, wanted: usize) -> bool {
        let mut piece = vec![0; wanted.min(1 << 20)];
        let ended = match self.wire().read(&mut piece) {
            Ok(0) => Some(self.session.borrow().end_of_the_wire()),
            Ok(n) => {
                let mut session = self.session.borrow_mut();
                let ended = session.open(&piece[..n], &mut self.got.borrow_mut());
                let answer = session.seal(b"");
                drop(session);
                // The answer is so short that the kernel takes it, unless the connection is gone.
                let _ = self.wire().write(&answer);
                ended
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(_) => Some(Ended::Lost),
        };
        self.ended.set(self.ended.get().or(ended));
        true
    }

    /// Up to `n` bytes, and how the stream ended if there are fewer.
    pub(crate) async fn read(&self, n: usize) -> (Vec<u8>, Option<Ended>) {
        let has = || self.got.borrow().len();
        while has() < n && self.ended.get().is_none() {
            if !self.receive(n - has()) {
                pause().await;
            }
        }
        if self.ended.get().is_some() {
            if !self.session.borrow().is_plain() {
                // Our side must hear of the session's end before the scenario goes on, as it hears of the end of a
                // plain socket.
                sleep(Duration::from_millis(5)).await;
            }
            // Tasks on our side that wait for the same end hear of it first, in whatever order the kernel reports it.
            for _ in 0..TURNS_OF_AN_END {
                yield_now().await;
            }
        }
        let (enough, count) = (has() >= n, has().min(n));
        // Moved, not copied byte by byte, which is slow in a build that is not optimised.
        let rest = self.got.borrow_mut().split_off(count);
        let got = self.got.replace(rest);
        (got, if enough { None } else { self.ended.get() })
    }

    fn attend(&self) {
        let is_open = || self.wire.borrow().is_some() && self.ended.get().is_none();
        while !self.session.borrow().is_plain() && is_open() && self.receive(usize::MAX) {}
    }

    pub(crate) fn shutdown(&self) -> io::Result<()> {
        match self.session.borrow_mut().end() {
            Some(end) => self.wire().write(&end).map(drop),
            None => self.wire().shutdown(),
        }
    }

    pub(crate) fn reset(&self) -> io::Result<()> {
        self.wire().reset_on_close()?;
        self.wire.take();
        Ok(())
    }

    pub(crate) fn close(&self) {
        if let (Some(wire), Some(end)) = (self.wire.take(), self.session.borrow_mut().end()) {
            // Our end may be gone.
            let _ = wire.write(&end);
        }
    }
}

pub(crate) async fn pause() {
    sleep(Duration::from_millis(1)).await;
}

/// Both ends of a connection: ours, and the peer's.
pub(crate) fn connected(over: &str, memory: &Memory) -> io::Result<(Endpoint, Rc<Peer>)> {
    if over == "memory" {
        let listener = memory.listen(SocketAddr::from(([127, 0, 0, 1], 0)));
        let ours = listener.address().as_inet().expect("it is an address of the internet");
        return Ok((ours.into(), Peer::that_listens(listener)));
    }
    if over == "pair" {
        let (ours, peer) = UnixStream::pair()?;
        return Ok((ours.into(), Peer::new(peer.into())));
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let (peer, _) = listener.accept()?;
    peer.set_nodelay(true)?;
    Ok((ours.into(), Peer::with(peer.into(), Session::over(over))))
}
