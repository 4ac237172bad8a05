//! Sockets that a user has made, as endpoints: asyncio's `sock=`.

use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};

use socket2::Socket;

use crate::net::address::{Endpoint, Target};

macro_rules! endpoint_from_socket {
    ($($socket:ty),*) => {$(
        impl From<$socket> for Endpoint {
            fn from(socket: $socket) -> Self {
                Endpoint(Target::Socket(socket.into()))
            }
        }
    )*};
}

endpoint_from_socket!(Socket, TcpStream, TcpListener, UnixStream, UnixListener);
