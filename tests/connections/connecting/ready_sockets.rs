//! A ready-made socket is used as it is, whatever made it.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use socket2::{Domain, Socket, Type};
use waterwheel::{StreamReader, StreamWriter, open_connection};

use crate::common::alone::run_alone;
use crate::common::descriptors::{open_descriptors, until_descriptors};

async fn echo_once(ours: (StreamReader, StreamWriter), theirs: (StreamReader, StreamWriter)) {
    let ((mut our_reader, our_writer), (mut their_reader, their_writer)) = (ours, theirs);
    our_writer.write(b"there\n");
    assert_eq!(their_reader.readline().await.unwrap(), b"there\n");
    their_writer.write(b"and back\n");
    assert_eq!(our_reader.readline().await.unwrap(), b"and back\n");
}

#[test]
fn a_connected_socket_of_each_kind_becomes_a_pair_of_streams() {
    run_alone(|| async {
        let before = open_descriptors();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ours = open_connection(TcpStream::connect(address).unwrap()).await.unwrap();
        assert_eq!(ours.1.peer_addr(), Some(address));
        assert!(ours.1.extra_info().socket().unwrap().tcp_nodelay().unwrap());
        let theirs = open_connection(Socket::from(listener.accept().unwrap().0)).await.unwrap();
        assert_eq!(theirs.1.peer_addr(), ours.1.local_addr());
        echo_once(ours, theirs).await;

        let (ours, theirs) = UnixStream::pair().unwrap();
        let (ours, theirs) = (open_connection(ours).await.unwrap(), open_connection(theirs).await.unwrap());
        assert_eq!(ours.1.peer_addr(), None);
        assert_eq!(ours.1.extra_info().peername().unwrap().to_string(), "(unnamed)");
        echo_once(ours, theirs).await;

        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        echo_once(open_connection(ours).await.unwrap(), open_connection(theirs).await.unwrap()).await;
        drop(listener);
        until_descriptors(before).await;
    });
}

#[test]
fn a_socket_that_is_not_of_a_stream_is_refused_and_closed() {
    run_alone(|| async {
        let before = open_descriptors();
        for (domain, kind) in
            [(Domain::IPV4, Type::DGRAM), (Domain::UNIX, Type::DGRAM), (Domain::UNIX, Type::SEQPACKET)]
        {
            let error = open_connection(Socket::new(domain, kind, None).unwrap()).await.unwrap_err();
            assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::InvalidInput, "a stream socket was expected"));
        }
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_socket_that_is_not_connected_fails_at_the_first_read() {
    run_alone(|| async {
        let before = open_descriptors();
        for domain in [Domain::IPV4, Domain::IPV6, Domain::UNIX] {
            let socket = Socket::new(domain, Type::STREAM, None).unwrap();
            let (mut reader, writer) = open_connection(socket).await.unwrap();
            let error = reader.read(1).await.unwrap_err();
            // Linux returns EINVAL for a Unix socket.
            assert!(matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::InvalidInput), "{error}");
            assert_eq!(writer.wait_closed().await.unwrap_err().kind(), error.kind());
        }
        until_descriptors(before).await;
    });
}
