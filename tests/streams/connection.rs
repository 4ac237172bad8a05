//! Both halves as one value: how it is made, and how it is taken apart.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::SockRef;

use crate::common::plain_peer::read_to_end;
use crate::common::running::run;
use crate::common::settle::settle;
use crate::common::sockets::{sockets, streams};
use waterwheel::testing::socket_pair;
use waterwheel::{Connection, StreamReader, StreamWriter, open_connection, open_read_pipe, open_write_pipe};

#[test]
fn the_halves_become_one_and_are_taken_apart_without_closing_anything() {
    run(async {
        let (reader, writer, peer) = streams(1024).await;
        let mut connection = Connection::from((reader, writer));
        let Connection { reader, writer, .. } = &mut connection;
        writer.write(b"ping");
        (&peer).write_all(b"pong").unwrap();
        assert_eq!(reader.readexactly(4).await.unwrap(), b"pong");
        let (_reader, writer): (StreamReader, StreamWriter) = connection.into();
        writer.write(b", again");
        drop(writer);
        assert_eq!(read_to_end(&peer).await.unwrap(), b"ping, again");
    });
}

#[test]
fn a_socket_of_the_standard_library_is_a_connection_at_once() {
    run(async {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::try_from(ours).unwrap();
        connection.writer.write(b"before the loop has told anybody");
        theirs.write_all(b"hello\n").unwrap();
        assert_eq!(connection.reader.readline().await.unwrap(), b"hello\n");
        drop(connection);
        settle().await;
        let mut all = String::new();
        theirs.read_to_string(&mut all).unwrap();
        assert_eq!(all, "before the loop has told anybody");

        let (ours, mut theirs) = sockets();
        drop(Connection::try_from(ours).unwrap());
        settle().await;
        theirs.set_nonblocking(false).unwrap();
        theirs.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "one that is dropped at once is closed");

        let datagrams = TcpStream::from(OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap()));
        assert_eq!(Connection::try_from(datagrams).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_socket_that_is_taken_out_of_the_loop_is_whole_with_what_was_unread() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let (socket, unread) = run(async {
        let mut connection = Connection::try_from(ours).unwrap();
        connection.writer.write(b"written on the loop, ");
        theirs.write_all(b"a line\nand more").unwrap();
        assert_eq!(connection.reader.readline().await.unwrap(), b"a line\n");
        let taken = connection.into_std().await.unwrap();
        settle().await;
        taken
    });
    assert_eq!(unread, b"and more");
    let mut socket = UnixStream::from(socket);
    socket.set_nonblocking(false).unwrap();
    socket.write_all(b"and outside").unwrap();
    theirs.write_all(b", at last").unwrap();
    drop(theirs.shutdown(std::net::Shutdown::Write));
    let mut rest = String::new();
    socket.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, ", at last");
    drop(socket);
    let mut all = String::new();
    theirs.read_to_string(&mut all).unwrap();
    assert_eq!(all, "written on the loop, and outside");
}

#[test]
fn what_has_no_socket_of_its_own_or_is_closed_is_not_taken_out() {
    run(async {
        let (read, write) = UnixStream::pair().unwrap();
        let (reader, writer) = (open_read_pipe(read).await.unwrap(), open_write_pipe(write).await.unwrap());
        let pipes = Connection::from((reader, writer));
        assert_eq!(pipes.into_std().await.unwrap_err().kind(), ErrorKind::Unsupported);

        let (ours, _theirs) = socket_pair().unwrap();
        ours.writer.close();
        assert_eq!(ours.into_std().await.unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn a_connection_lends_its_socket_for_as_long_as_it_lives() {
    run(async {
        let (ours, _peer) = sockets();
        let connection: Connection = open_connection(ours).await.unwrap().into();
        let socket = SockRef::from(&connection);
        socket.set_tcp_nodelay(false).unwrap();
        assert!(!connection.writer.extra_info().socket().unwrap().tcp_nodelay().unwrap());
        connection.writer.abort();
        connection.writer.wait_closed().await.unwrap();
        assert!(connection.writer.extra_info().socket().is_none());
        assert!(socket.local_addr().is_ok(), "descriptor {} is open", socket.as_raw_fd());
    });
}

#[test]
#[should_panic(expected = "the connection has no socket, or is lost")]
fn a_lost_connection_has_no_socket_to_lend() {
    run(async {
        let (ours, _theirs) = socket_pair().unwrap();
        ours.writer.abort();
        ours.writer.wait_closed().await.unwrap();
        let _ = SockRef::from(&ours);
    });
}
