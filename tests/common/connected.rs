//! A connection with a protocol of the test.

use std::net::TcpStream;
use std::rc::Rc;

use waterwheel::{Protocol, Transport, get_running_loop};

use crate::common::sockets::sockets;

/// A connection with `protocol` at our end, and a plain non-blocking socket at the other.
pub(crate) async fn connect<P: Protocol + 'static>(protocol: Rc<P>) -> (Rc<dyn Transport>, TcpStream) {
    let (ours, peer) = sockets();
    let (transport, _) = get_running_loop().create_connection(move || protocol, ours).await.unwrap();
    (transport, peer)
}
