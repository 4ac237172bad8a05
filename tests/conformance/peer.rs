//! Our end of a connection, and the other end: a plain socket, driven by steps.

use std::cell::{Cell, RefCell};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use socket2::Socket;
use waterwheel::{Endpoint, StreamFeeder, StreamReader, StreamWriter, Transport, sleep};

/// Our end of a connection, as far as the scenario has it, and the plain peer.
#[derive(Default)]
pub(crate) struct End {
    pub(crate) transport: RefCell<Option<Rc<dyn Transport>>>,
    pub(crate) writer: RefCell<Option<Rc<StreamWriter>>>,
    pub(crate) feeder: RefCell<Option<StreamFeeder>>,
    pub(crate) peer: RefCell<Option<Rc<Peer>>>,
    /// Not there while a read has it.
    reader: Cell<Option<StreamReader>>,
    /// What was read last, for `echo`.
    pub(crate) last: RefCell<Vec<u8>>,
}

impl End {
    pub(crate) fn set_reader(&self, reader: StreamReader) {
        self.reader.set(Some(reader));
    }

    /// Lends the reader; `None` while someone else has it.
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

    /// The transport, also where it is a writer's.
    pub(crate) fn below(&self) -> Rc<dyn Transport> {
        let transport = self.transport.borrow().clone();
        transport.unwrap_or_else(|| self.writer().transport())
    }
}

/// A reader that goes back to its end, also if the read is cancelled.
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
pub(crate) enum Ended {
    Eof,
    Lost,
}

pub(crate) struct Peer(RefCell<Option<Rc<Socket>>>);

impl Peer {
    pub(crate) fn new(socket: Socket) -> Rc<Peer> {
        socket.set_nonblocking(true).expect("a socket can be made non-blocking");
        Rc::new(Peer(RefCell::new(Some(Rc::new(socket)))))
    }

    fn socket(&self) -> Rc<Socket> {
        self.0.borrow().clone().expect("the peer is open")
    }

    pub(crate) async fn send(&self, data: &[u8]) -> io::Result<()> {
        let mut rest = data;
        while !rest.is_empty() {
            match (&*self.socket()).write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause().await,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Up to `n` bytes, and how it ended if not all came.
    pub(crate) async fn read(&self, n: usize) -> (Vec<u8>, Option<Ended>) {
        let mut got = Vec::new();
        let mut piece = vec![0; n.min(1 << 20)];
        while got.len() < n {
            let room = piece.len().min(n - got.len());
            match (&*self.socket()).read(&mut piece[..room]) {
                Ok(0) => return (got, Some(Ended::Eof)),
                Ok(read) => got.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause().await,
                Err(_) => return (got, Some(Ended::Lost)),
            }
        }
        (got, None)
    }

    pub(crate) fn shutdown(&self) -> io::Result<()> {
        self.socket().shutdown(Shutdown::Write)
    }

    pub(crate) fn reset(&self) -> io::Result<()> {
        self.socket().set_linger(Some(Duration::ZERO))?;
        self.close();
        Ok(())
    }

    pub(crate) fn close(&self) {
        self.0.take();
    }
}

pub(crate) async fn pause() {
    sleep(Duration::from_millis(1)).await;
}

/// Both ends of a connection: ours, and the peer's.
pub(crate) fn connected(over: &str) -> io::Result<(Endpoint, Rc<Peer>)> {
    if over == "pair" {
        let (ours, peer) = UnixStream::pair()?;
        return Ok((ours.into(), Peer::new(peer.into())));
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let ours = TcpStream::connect(listener.local_addr()?)?;
    let (peer, _) = listener.accept()?;
    peer.set_nodelay(true)?;
    Ok((ours.into(), Peer::new(peer.into())))
}
