//! The other side of a TLS connection, in a thread of its own: rustls on a blocking socket, without any of our code.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use waterwheel::rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

/// A socket that forwards only a number of bytes and then ends, like a connection that was cut.
pub(crate) struct Cut {
    socket: TcpStream,
    left: usize,
}

impl Cut {
    fn send(&mut self, data: &[u8]) -> io::Result<()> {
        let n = data.len().min(self.left);
        self.left -= n;
        self.socket.write_all(&data[..n])?;
        if n < data.len() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

/// A listener that serves one connection, in a thread.
pub(crate) struct Pipe {
    address: SocketAddr,
    whole: Arc<AtomicBool>,
}

/// Has `serve` serve one connection, and forwards only the first `cut` bytes that it sends. `serve` returns whether it
/// sent everything.
pub(crate) fn pipe(cut: usize, serve: impl FnOnce(Cut) -> bool + Send + 'static) -> Pipe {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let whole = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&whole);
    thread::spawn(move || {
        let (socket, _) = listener.accept().expect("somebody comes");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
        let mut kept = socket.try_clone().expect("there are descriptors");
        let done = serve(Cut { socket, left: cut });
        tell.store(done, Ordering::SeqCst);
        // Shut down first, so that unread bytes do not turn the end into a reset.
        let _ = kept.shutdown(Shutdown::Write);
        let _ = io::copy(&mut kept, &mut io::sink());
    });
    Pipe { address, whole }
}

impl Pipe {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether the other side could send everything.
    pub(crate) fn was_whole(&self) -> bool {
        for _ in 0..2_000 {
            if self.whole.load(Ordering::SeqCst) {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }
}

pub(crate) struct Peer {
    tls: Connection,
    wire: Cut,
}

impl Peer {
    pub(crate) fn server(wire: Cut, config: Arc<ServerConfig>) -> Peer {
        Peer { tls: ServerConnection::new(config).expect("the configuration is good").into(), wire }
    }

    /// A client that sends only its first `cut` bytes.
    pub(crate) fn client(address: SocketAddr, cut: usize, config: Arc<ClientConfig>) -> Peer {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
        let tls = ClientConnection::new(config, address.ip().into()).expect("the configuration is good");
        Peer { tls: tls.into(), wire: Cut { socket, left: cut } }
    }

    /// A server on a connected socket, which sends everything.
    pub(crate) fn on(socket: TcpStream, config: Arc<ServerConfig>) -> Peer {
        Peer::server(Cut { socket, left: usize::MAX }, config)
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.wire.socket
    }

    /// Sends the messages that rustls has ready, such as an alert.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let out = self.output()?;
        self.wire.send(&out)
    }

    fn output(&mut self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut out)?;
        }
        Ok(out)
    }

    pub(crate) fn handshake(&mut self) -> io::Result<()> {
        self.handshake_but_for_the_last_flight()?;
        self.flush()
    }

    /// Does a server's part of the handshake up to where the client has to send next.
    pub(crate) fn answer_hello(&mut self) -> io::Result<()> {
        self.read_hello()?;
        self.flush()
    }

    /// Like `answer_hello`, but from then on nothing can be sent to this server. Calls `between` after sending the
    /// first record of the answer, and before sending the rest.
    pub(crate) fn answer_hello_and_read_no_more(&mut self, between: impl FnOnce()) -> io::Result<()> {
        self.read_hello()?;
        self.wire.socket.shutdown(Shutdown::Read)?;
        let out = self.output()?;
        let (first, rest) = out.split_at(5 + usize::from(u16::from_be_bytes([out[3], out[4]])));
        self.wire.send(first)?;
        between();
        self.wire.send(rest)
    }

    fn read_hello(&mut self) -> io::Result<()> {
        while !self.tls.wants_write() {
            self.tls.read_tls(&mut self.wire.socket)?;
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Leaves the last flight in rustls: it is sent with the next data.
    pub(crate) fn handshake_but_for_the_last_flight(&mut self) -> io::Result<()> {
        while self.tls.is_handshaking() {
            self.flush()?;
            if self.tls.is_handshaking() && self.tls.read_tls(&mut self.wire.socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let processed = self.tls.process_new_packets();
            processed.map_err(io::Error::other)?;
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.write_records(&[data])?;
        self.flush()
    }

    /// Writes each piece as a record of its own, to be sent with the next flush.
    pub(crate) fn write_records(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        for piece in pieces {
            self.tls.writer().write_all(piece)?;
        }
        Ok(())
    }

    pub(crate) fn close_notify(&mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        self.flush()
    }

    /// Reads everything until the other side ends the session. Returns the number of bytes.
    pub(crate) fn read_to_close_notify(&mut self) -> io::Result<usize> {
        let mut count = 0;
        let mut memory = [0; 16 * 1024];
        loop {
            if self.tls.read_tls(&mut self.wire.socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let state = self.tls.process_new_packets().map_err(io::Error::other)?;
            while let Ok(n @ 1..) = self.tls.reader().read(&mut memory) {
                count += n;
            }
            if state.peer_has_closed() {
                return Ok(count);
            }
        }
    }

    /// Ends our side of the connection, and waits until the other side ends. False if that is a reset.
    pub(crate) fn hang_up(&mut self) -> bool {
        let _ = self.wire.socket.shutdown(Shutdown::Write);
        io::copy(&mut self.wire.socket, &mut io::sink()).is_ok()
    }

    /// Sends data for as long as the other side takes it.
    pub(crate) fn flood(&mut self) {
        while self.write(&[b'x'; 10_000]).is_ok() {}
    }

    /// Reads without sending anything, until the other side ends the connection.
    pub(crate) fn swallow(&mut self) {
        let _ = self.flush();
        let mut memory = [0; 16 * 1024];
        while self.wire.socket.read(&mut memory).is_ok_and(|n| n > 0) {}
    }
}

/// Forwards a connection one byte at a time.
pub(crate) fn byte_by_byte(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        let (near, _) = listener.accept().expect("somebody comes");
        let far = TcpStream::connect(target).expect("the target listens");
        for (mut from, mut to) in [
            (near.try_clone().expect("there are descriptors"), far.try_clone().expect("there are descriptors")),
            (far, near),
        ] {
            to.set_nodelay(true).expect("it is TCP");
            thread::spawn(move || {
                let mut byte = [0];
                while from.read(&mut byte).is_ok_and(|n| n > 0) && to.write_all(&byte).is_ok() {}
                let _ = to.shutdown(Shutdown::Write);
            });
        }
    });
    address
}
