//! What a connection may run over: a plain socket, TLS, or a network in memory. A test that takes a [`Wire`] does the
//! same over each.
#[cfg(feature = "tls")]
mod tls_wire;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use waterwheel::network::Conduit;
use waterwheel::{Builder, CreateServer, EventLoop};

use crate::common::memory::{End, Memory};

#[cfg(feature = "tls")]
pub(crate) use tls_wire::Tls;

/// Makes servers, and the peers that connect to them.
pub(crate) trait Wire {
    /// Builds a loop whose servers the peers can connect to.
    fn builder(&self) -> Builder {
        EventLoop::builder()
    }

    /// Has a server use this wire.
    fn serve(&self, server: CreateServer) -> CreateServer;

    /// Connects a peer, without waiting for the server.
    fn connect(&self, address: SocketAddr) -> Box<dyn Peer>;

    /// Whether one side of a connection may end while the other goes on.
    fn has_halves(&self) -> bool;
}

/// The other end of a connection, driven by the test. No method waits except `read_to_end`.
pub(crate) trait Peer {
    /// Sends text. Does nothing if the connection has ended.
    fn say(&mut self, text: &[u8]);

    /// Sends bytes as they are, even if the wire would encode text.
    fn say_raw(&mut self, bytes: &[u8]) {
        self.say(bytes);
    }

    /// Reads everything that has arrived and throws it away. The wire's own work, such as a handshake, happens here.
    fn read_all(&mut self);

    /// Reads everything up to the end of the connection, which comes without the loop's help. The error tells how the
    /// connection broke.
    fn read_to_end(&mut self) -> io::Result<Vec<u8>>;

    /// Ends its side in the wire's own way.
    fn end(&mut self);

    /// Ends the connection at once, without notice.
    fn cut(&mut self);
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nonblocking(true).expect("a socket can be made non-blocking");
    stream.set_nodelay(true).expect("it is TCP");
    stream
}

/// Makes the reads of a socket wait for bytes, with a time limit.
fn wait_for_reads(socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))
}

/// A plain socket.
pub(crate) struct Plain;

impl Wire for Plain {
    fn serve(&self, server: CreateServer) -> CreateServer {
        server
    }

    fn connect(&self, address: SocketAddr) -> Box<dyn Peer> {
        Box::new(connected(address))
    }

    fn has_halves(&self) -> bool {
        true
    }
}

impl Peer for TcpStream {
    fn say(&mut self, text: &[u8]) {
        let _ = self.write(text);
    }

    fn read_all(&mut self) {
        let mut piece = vec![0; 1 << 18];
        loop {
            match self.read(&mut piece) {
                Ok(n) if n > 0 => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }

    fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        wait_for_reads(self)?;
        let mut all = Vec::new();
        Read::read_to_end(self, &mut all)?;
        Ok(all)
    }

    fn end(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }

    fn cut(&mut self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

/// Two buffers, without the operating system.
impl Wire for Memory {
    fn builder(&self) -> Builder {
        Memory::builder(self)
    }

    fn serve(&self, server: CreateServer) -> CreateServer {
        server
    }

    fn connect(&self, address: SocketAddr) -> Box<dyn Peer> {
        Box::new(MemoryPeer(Some(Memory::connect(self, address).expect("the server listens"))))
    }

    fn has_halves(&self) -> bool {
        true
    }
}

/// One end, until it is cut.
struct MemoryPeer(Option<End>);

impl Peer for MemoryPeer {
    fn say(&mut self, text: &[u8]) {
        let _ = self.0.as_ref().map(|end| end.send(text));
    }

    fn read_all(&mut self) {
        let mut piece = vec![0; 1 << 18];
        while let Some(Ok(1..)) = self.0.as_ref().map(|end| end.recv(&mut piece)) {}
    }

    fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let end = self.0.as_ref().ok_or(ErrorKind::NotConnected)?;
        let (mut all, mut piece) = (Vec::new(), vec![0; 1 << 18]);
        loop {
            match end.recv(&mut piece)? {
                0 => return Ok(all),
                n => all.extend_from_slice(&piece[..n]),
            }
        }
    }

    fn end(&mut self) {
        let _ = self.0.as_ref().map(Conduit::shutdown_write);
    }

    fn cut(&mut self) {
        self.0 = None;
    }
}
