//! Operations for a peer that is a plain non-blocking socket.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::time::Duration;

use waterwheel::sleep;

/// Reads everything that the peer receives, up to the end of the stream.
pub(crate) async fn read_to_end(mut peer: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match peer.read(&mut buffer) {
            Ok(0) => return Ok(all),
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(1)).await,
            Err(error) => return Err(error),
        }
    }
}

/// Reads exactly `n` of the bytes that the peer receives.
pub(crate) async fn read_exactly(mut peer: &TcpStream, n: usize) -> Vec<u8> {
    let mut all = vec![0; n];
    let mut filled = 0;
    while filled < n {
        match peer.read(&mut all[filled..]) {
            Ok(0) => panic!("the stream ended after {filled} of {n} bytes"),
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("after {filled} of {n} bytes: {error}"),
        }
    }
    all
}

/// Closes so that the other end sees a reset.
pub(crate) fn reset(peer: TcpStream) {
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
}
