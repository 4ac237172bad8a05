//! Peers that misbehave, and peers with blocking sockets.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// An address on this machine whose listener answers no connection attempt: its queue is full.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _listener: Socket,
    _queued: Vec<Socket>,
}

impl BlackHole {
    pub(crate) fn new() -> BlackHole {
        BlackHole::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> BlackHole {
        let address: SocketAddr = address.parse().expect("an address");
        let listener = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        listener.bind(&address.into()).expect("the address is free");
        listener.listen(0).expect("it listens");
        let name = listener.local_addr().expect("it has a name");
        let address = name.as_socket().expect("an internet address");
        let mut queued = Vec::new();
        for _ in 0..16 {
            let client = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
            if client.connect_timeout(&name, Duration::from_millis(15)).is_err() {
                return BlackHole { address, _listener: listener, _queued: queued };
            }
            queued.push(client);
        }
        panic!("the queue of a listener with a backlog of 0 never got full");
    }
}

/// An address on this machine that refuses connections: a socket without a listener keeps its port taken.
pub(crate) struct Refusing {
    pub(crate) address: SocketAddr,
    _bound: Socket,
}

impl Refusing {
    pub(crate) fn new() -> Refusing {
        Refusing::at("127.0.0.1:0")
    }

    pub(crate) fn at(address: &str) -> Refusing {
        let address: SocketAddr = address.parse().expect("an address");
        let bound = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        bound.bind(&address.into()).expect("the address is free");
        let address = bound.local_addr().ok().and_then(|name| name.as_socket()).expect("an internet address");
        Refusing { address, _bound: bound }
    }
}

/// A plain client, whose reads block for ten seconds at most.
pub(crate) fn plain_client(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("the server listens");
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("it can be set");
    client
}

/// Reads everything up to the end of the stream.
pub(crate) fn read_all(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    from.read_to_end(&mut all)?;
    Ok(all)
}
