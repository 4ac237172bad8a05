//! Each option of a connection has its effect, and each failure says what failed.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;

use waterwheel::{
    Address, ConnectError, Endpoint, Family, LookUpError, LookUpErrorKind, ReadError, StreamReader, StreamWriter,
    get_running_loop, open_connection, start_server,
};

use crate::common::alone::run_alone;
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::peers::Refusing;
use crate::common::recorder::Recorder;

/// A handler that tells each client its own address.
pub(super) async fn tell_origin(_reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    let origin = writer.peer_addr().expect("an internet client has an address");
    writer.write_all(format!("{origin}\n").as_bytes()).await
}

/// The attempts in an error of connecting.
pub(super) fn attempts(error: &io::Error) -> Vec<(SocketAddr, ErrorKind)> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectError>());
    let inner = inner.unwrap_or_else(|| panic!("{error:?} has no ConnectError inside"));
    inner.attempts().iter().map(|(address, error)| (*address, error.kind())).collect()
}

#[test]
fn the_limit_is_that_of_the_reader() {
    run_alone(|| async {
        let long_line = |_reader, writer: StreamWriter| writer.write(&[b'x'; 100]);
        let server = start_server(long_line, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        let (mut reader, _writer) = open_connection(address).limit(50).await.unwrap();
        assert!(matches!(reader.readline().await, Err(ReadError::LimitOverrun { .. })));
        let (mut reader, _writer) = open_connection(address).limit(200).await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), [b'x'; 100]);
        let error = open_connection(address).limit(0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn only_addresses_of_the_family_are_connected_to() {
    run_alone(|| async {
        let four = start_server(tell_origin, "127.0.0.1:0").await.unwrap();
        let port = four.local_addrs()[0].port();
        let six = start_server(tell_origin, ("::1", port)).await.unwrap();
        for (family, peer) in [(Family::V4, four.local_addrs()[0]), (Family::V6, six.local_addrs()[0])] {
            let (_reader, writer) = open_connection(("localhost", port)).family(family).await.unwrap();
            assert_eq!(writer.peer_addr(), Some(peer));
        }
    });
}

#[test]
fn an_address_of_the_other_family_is_refused_however_it_is_given() {
    run_alone(|| async {
        let server = start_server(tell_origin, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        let as_text = address.to_string();
        for error in [
            open_connection(address).family(Family::V6).await.unwrap_err(),
            open_connection(as_text.as_str()).family(Family::V6).await.unwrap_err(),
            open_connection(("127.0.0.1", address.port())).family(Family::V6).await.unwrap_err(),
            start_server(tell_origin, "127.0.0.1:0").family(Family::V6).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
            assert!(error.to_string().contains("127.0.0.1"), "{error}");
        }
    });
}

#[test]
fn proto_and_flags_go_to_the_look_up() {
    const AI_NUMERICHOST: i32 = 4;
    const UDP: i32 = 17;
    run_alone(|| async {
        let server = start_server(tell_origin, "127.0.0.1:0").await.unwrap();
        let port = server.local_addrs()[0].port();
        // An old form of 127.0.0.1, which only the system's look-up understands.
        let (mut reader, _writer) = open_connection(("127.1", port)).flags(AI_NUMERICHOST).proto(6).await.unwrap();
        assert!(reader.readline().await.unwrap().starts_with(b"127.0.0.1:"));
        let error = open_connection(("some.name", port)).flags(AI_NUMERICHOST).await.unwrap_err();
        assert!(error.to_string().starts_with("the name \"some.name\" was not found: "), "{error}");
        // There is no stream over UDP.
        let error = open_connection(("127.1", port)).proto(UDP).await.unwrap_err();
        assert!(error.to_string().starts_with("the name \"127.1\" could not be looked up: "), "{error}");
        assert_eq!(LookUpError::of(&error).map(LookUpError::kind), Some(LookUpErrorKind::Other));
    });
}

#[test]
fn a_local_address_is_where_the_connection_comes_from() {
    run_alone(|| async {
        let server = start_server(tell_origin, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        let free = Refusing::at("127.0.0.3:0").address;
        for (local, expected) in [("127.0.0.2:0".to_owned(), "127.0.0.2:"), (free.to_string(), &*free.to_string())] {
            let (mut reader, writer) = open_connection(address).local_addr(&*local).await.unwrap();
            let told = String::from_utf8(reader.readline().await.unwrap()).unwrap();
            assert!(told.starts_with(expected), "{told} is not {expected}");
            assert_eq!(writer.local_addr().map(|own| format!("{own}\n")), Some(told));
        }
        // The address of the matching family is used if the host has both.
        let (mut reader, _writer) = open_connection(address).local_addr(("localhost", 0)).await.unwrap();
        assert!(reader.readline().await.unwrap().starts_with(b"127.0.0.1:"));
    });
}

#[test]
fn a_local_address_that_cannot_be_had_is_an_error_that_names_both_ends() {
    run_alone(|| async {
        let server = start_server(tell_origin, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().map(|name| (taken, name)).unwrap();
        let before = open_descriptors();
        let error = open_connection(address).local_addr(taken.1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(attempts(&error), [(address, ErrorKind::AddrInUse)]);
        let text = error.to_string();
        assert!(text.contains(&address.to_string()) && text.contains(&taken.1.to_string()), "{text}");

        let error = open_connection(address).local_addr("[::1]:0").await.unwrap_err();
        assert_eq!(attempts(&error), [(address, ErrorKind::AddrNotAvailable)]);
        assert!(error.to_string().contains("no local address of the family of 127.0.0.1"), "{error}");

        let error = open_connection(address).local_addr("nowhere").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        until_descriptors(before).await;
    });
}

#[test]
fn when_all_addresses_fail_the_error_has_each_in_order() {
    run_alone(|| async {
        let refusing = Refusing::new();
        let port = refusing.address.port();
        let before = open_descriptors();
        let error = open_connection((["127.0.0.1", "127.0.0.9", "127.0.0.1"], port)).await.unwrap_err();
        let address = |host: &str| SocketAddr::new(host.parse().unwrap(), port);
        let expected = ["127.0.0.1", "127.0.0.9"].map(|host| (address(host), ErrorKind::ConnectionRefused));
        assert_eq!(attempts(&error), expected, "each once");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let text = error.to_string();
        assert!(text.contains(&format!("connect to 127.0.0.1:{port} failed: ")), "{text}");
        assert!(text.contains(&format!("; connect to 127.0.0.9:{port} failed: ")), "{text}");
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn an_address_that_cannot_be_tried_from_here_does_not_hide_that_the_host_refuses() {
    run_alone(|| async {
        let refusing = Refusing::new();
        let port = refusing.address.port();
        // A socket bound to an address of one family cannot reach the other, as on a machine without that family.
        for (host, local, own) in [("localhost", "127.0.0.1:0", "127.0.0.1"), ("localhost", "[::1]:0", "::1")] {
            let _six = Refusing::at(&format!("[::1]:{port}"));
            let error = open_connection((host, port)).local_addr(local).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
            let failed = ["127.0.0.1", "::1"].map(|host| {
                let kind = if host == own { ErrorKind::ConnectionRefused } else { ErrorKind::AddrNotAvailable };
                (SocketAddr::new(host.parse().unwrap(), port), kind)
            });
            assert_eq!(attempts(&error), failed);
            let of = ConnectError::of(&error).expect("it is inside");
            assert_eq!(of.attempts().len(), 2);
        }
    });
}

#[test]
fn what_is_no_endpoint_is_refused_with_its_text() {
    run_alone(|| async {
        let (form, port) = ("is not of the form \"host:port\"", "has an invalid port");
        let refused = [
            ("", form),
            ("nowhere", form),
            ("http://host:80", form),
            ("[::1]", form),
            ("host:", port),
            ("host:port", port),
            ("host:65536", port),
            ("localhost:99999", port),
            ("host:-1", port),
            ("[::1]:65536", port),
            ("::1", "brackets"),
            ("fe80::1", "brackets"),
            ("fe80::1%lo:80", "brackets"),
            ("::1:80", "brackets"),
        ];
        for (text, words) in refused {
            let error = open_connection(text).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text:?}: {error}");
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        // Here the port is given separately, so brackets are not allowed in the host.
        let beside: [Endpoint; 4] = [
            ("[::1]", 80).into(),
            ("[::1]".to_owned(), 80).into(),
            (["127.0.0.1", "[::1]"], 80).into(),
            "[[::1]]:80".into(),
        ];
        for endpoint in beside {
            let error = start_server(tell_origin, endpoint).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("[::1]") && error.to_string().contains("brackets"), "{error}");
        }
        let error = open_connection((Vec::<String>::new(), 80)).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidInput, "no host was given"));
    });
}

#[test]
fn a_protocol_is_made_once_it_is_connected_and_has_heard_of_that_and_nothing_else() {
    run_alone(|| async {
        let server = start_server(tell_origin, "127.0.0.1:0").await.unwrap();
        let event_loop = get_running_loop();
        let to = ("localhost", server.local_addrs()[0].port());
        let connecting = event_loop.create_connection(Recorder::new, to);
        let (transport, recorder) = connecting.family(Family::V4).local_addr(("127.0.0.4", 0)).await.unwrap();
        assert_eq!(recorder.words(), ["made"]);
        let local = transport.extra_info().sockname().and_then(Address::as_inet).unwrap();
        assert_eq!(local.ip().to_string(), "127.0.0.4");
        transport.abort();

        let refusing = Refusing::new();
        let never = || -> Rc<Recorder> { panic!("no protocol is made for a connection that failed") };
        let error = event_loop.create_connection(never, refusing.address).await.err().unwrap();
        assert_eq!(attempts(&error), [(refusing.address, ErrorKind::ConnectionRefused)]);
    });
}
