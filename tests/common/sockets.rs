//! Two connected sockets, and streams over one of them.

use std::net::{TcpListener, TcpStream};

use waterwheel::{StreamReader, StreamWriter, open_connection};

/// Two connected sockets, neither of them on a loop.
pub(crate) fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_nonblocking(true).unwrap();
    (ours, peer)
}

/// A pair of streams, and a plain non-blocking socket at the other end.
pub(crate) async fn streams(limit: usize) -> (StreamReader, StreamWriter, TcpStream) {
    let (ours, peer) = sockets();
    let (reader, writer) = open_connection(ours).limit(limit).await.unwrap();
    (reader, writer, peer)
}
