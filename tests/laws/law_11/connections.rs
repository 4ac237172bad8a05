//! Futures that open something: connections, datagram sockets, pipes.

use std::net::{TcpListener, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use waterwheel::{
    DatagramProtocol, Protocol, get_running_loop, open_connection, open_read_pipe, open_unix_connection,
    open_write_pipe, timeout,
};

use super::moments::drop_at;
use super::wires::pipe;
use super::{Row, rows};
use crate::common::temp_dir::TempDir;
use crate::common::unix_name::unix_name;

pub(super) const ROWS: &[Row] = rows![
    "OpenConnection" => async |moment| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let opened = drop_at(moment, open_connection(listener.local_addr().unwrap())).await;
        opened.map(|streams| drop(streams.unwrap())).is_some()
    },
    "Timeout" => async |moment| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let opened = timeout(Duration::from_secs(60), open_connection(listener.local_addr().unwrap()));
        drop_at(moment, opened).await.map(|streams| drop(streams.unwrap().unwrap())).is_some()
    },
    // A thread looks up the name, which may have several addresses.
    "OpenConnection" => async |moment| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop_at(moment, open_connection(("localhost", port))).await.map(|streams| drop(streams.unwrap())).is_some()
    },
    "OpenConnection" => async |moment| {
        let directory = TempDir::new();
        let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        listener.bind(&unix_name(directory.file("s"))).unwrap();
        listener.listen(1).unwrap();
        let opened = drop_at(moment, open_unix_connection(directory.file("s"))).await;
        opened.map(|streams| drop(streams.unwrap())).is_some()
    },
    "CreateConnection" => async |moment| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let made = drop_at(moment, get_running_loop().create_connection(|| Rc::new(Quiet), address)).await;
        // The connection of a dropped transport stays open, since the protocol may be all that the program wants.
        made.map(|made| made.unwrap().0.abort()).is_some()
    },
    "CreateDatagramEndpoint" => async |moment| {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let handle = get_running_loop();
        let endpoint = handle.create_datagram_endpoint(|| Rc::new(Quiet)).remote_addr(peer.local_addr().unwrap());
        drop_at(moment, endpoint).await.map(|made| made.unwrap().0.abort()).is_some()
    },
    "OpenReadPipe" => async |moment| {
        let (_write_end, read_end) = pipe();
        drop_at(moment, open_read_pipe(read_end)).await.map(|reader| drop(reader.unwrap())).is_some()
    },
    "OpenWritePipe" => async |moment| {
        let (write_end, _read_end) = pipe();
        drop_at(moment, open_write_pipe(write_end)).await.map(|writer| drop(writer.unwrap())).is_some()
    },
    "LoopHandle::connect_read_pipe" => async |moment| {
        let (_write_end, read_end) = pipe();
        let handle = get_running_loop();
        let made = drop_at(moment, handle.connect_read_pipe(|| Rc::new(Quiet), read_end)).await;
        made.map(|made| made.unwrap().0.abort()).is_some()
    },
    "LoopHandle::connect_write_pipe" => async |moment| {
        let (write_end, _read_end) = pipe();
        let handle = get_running_loop();
        let made = drop_at(moment, handle.connect_write_pipe(|| Rc::new(Quiet), write_end)).await;
        made.map(|made| made.unwrap().0.abort()).is_some()
    },
];

/// Ignores all callbacks.
pub(super) struct Quiet;

impl Protocol for Quiet {}
impl DatagramProtocol for Quiet {}
