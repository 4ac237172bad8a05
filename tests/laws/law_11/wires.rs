//! What streams run over, with a peer that is not a waterwheel stream: a plain socket or pipe, or rustls on a socket.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use socket2::SockRef;
use waterwheel::{StreamReader, StreamWriter, open_connection, open_read_pipe, open_write_pipe};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Tcp,
    Unix,
    Pipe,
    #[cfg(feature = "tls")]
    Tls,
}

impl Wire {
    pub(super) const ALL: &[Wire] = &[
        Wire::Tcp,
        Wire::Unix,
        Wire::Pipe,
        #[cfg(feature = "tls")]
        Wire::Tls,
    ];
}

/// The other end, which never blocks.
pub(super) trait Peer: Read + Write + Send {
    /// Ends its side. Returns `Ok` once the end has been sent.
    fn end(&mut self) -> io::Result<()>;
}

impl Peer for TcpStream {
    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Peer for UnixStream {
    fn end(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// The write end of a pipe, until it is closed. It receives nothing.
struct PipeSender(Option<File>);

impl Read for PipeSender {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        if self.0.is_some() { Err(ErrorKind::WouldBlock.into()) } else { Ok(0) }
    }
}

impl Write for PipeSender {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.as_ref().ok_or(ErrorKind::BrokenPipe)?.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Peer for PipeSender {
    fn end(&mut self) -> io::Result<()> {
        self.0 = None;
        Ok(())
    }
}

/// The read end of a pipe, which cannot end a side of its own.
struct PipeReceiver(File);

impl Read for PipeReceiver {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for PipeReceiver {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::Unsupported.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Peer for PipeReceiver {
    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Streams at our end. A pipe has only one direction.
pub(super) struct Opened {
    pub(super) reader: Option<StreamReader>,
    pub(super) writer: Option<StreamWriter>,
    pub(super) peer: Box<dyn Peer>,
}

impl Wire {
    /// A reader on this wire, and its writer if the wire has one.
    pub(super) async fn to_read(self) -> Opened {
        match self {
            Wire::Pipe => {
                let (write_end, read_end) = pipe();
                let reader = open_read_pipe(read_end).await.unwrap();
                Opened { reader: Some(reader), writer: None, peer: Box::new(PipeSender(Some(write_end))) }
            }
            _ => self.both_ways().await,
        }
    }

    /// A writer on this wire, and its reader if the wire has one. The kernel takes only a little at a time, and so
    /// does the writer before it has to wait.
    pub(super) async fn to_write(self) -> Opened {
        let opened = match self {
            Wire::Pipe => {
                let (write_end, read_end) = pipe();
                let writer = open_write_pipe(write_end).await.unwrap();
                Opened { reader: None, writer: Some(writer), peer: Box::new(PipeReceiver(read_end)) }
            }
            _ => self.both_ways().await,
        };
        let transport = opened.writer.as_ref().expect("it was opened").transport();
        transport.set_write_buffer_limits(Some(1000), None);
        opened
    }

    async fn both_ways(self) -> Opened {
        match self {
            Wire::Tcp => {
                let (ours, peer) = tcp();
                peer.set_nonblocking(true).unwrap();
                let (reader, writer) = open_connection(ours).await.unwrap();
                Opened { reader: Some(reader), writer: Some(writer), peer: Box::new(peer) }
            }
            Wire::Unix => {
                let (ours, peer) = UnixStream::pair().unwrap();
                SockRef::from(&ours).set_send_buffer_size(4096).unwrap();
                peer.set_nonblocking(true).unwrap();
                let (reader, writer) = open_connection(ours).await.unwrap();
                Opened { reader: Some(reader), writer: Some(writer), peer: Box::new(peer) }
            }
            Wire::Pipe => unreachable!("it has one way only"),
            #[cfg(feature = "tls")]
            Wire::Tls => super::tls::both_ways().await,
        }
    }
}

/// Two connected sockets. The first one can send only a little at a time.
pub(super) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    SockRef::from(&ours).set_send_buffer_size(4096).unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_nodelay(true).unwrap();
    (ours, peer)
}

/// The write end and the read end of a non-blocking pipe.
pub(super) fn pipe() -> (File, File) {
    let (write_end, read_end) = mio::unix::pipe::new().unwrap();
    (File::from(OwnedFd::from(write_end)), File::from(OwnedFd::from(read_end)))
}

/// The outcome of a non-blocking operation: `None` if it would have blocked.
pub(super) fn unless_blocked<T>(attempt: io::Result<T>) -> Option<T> {
    match attempt {
        Ok(value) => Some(value),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => panic!("the peer fails: {error}"),
    }
}
