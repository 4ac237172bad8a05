//! Handshakes: what is agreed on, and what must fail before the application can send a byte.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::certificates::self_signed;
use crate::common::certificates::{Authority, Identity};
use crate::common::running::run;
use waterwheel::rustls::{self, ProtocolVersion};
use waterwheel::{
    Server, StreamReader, StreamWriter, TlsClient, TlsError, TlsErrorKind, TlsRole, TlsServer, open_connection,
    open_unix_connection, sleep, start_server, start_tls, start_unix_server,
};

/// The TLS configuration of a server with this identity.
fn server_of(identity: &Identity) -> TlsServer {
    TlsServer::new(&identity.chain, &identity.key).unwrap()
}

/// A server that echoes lines, and counts the calls of its handler.
async fn serve(tls: TlsServer, handled: &Rc<Cell<usize>>) -> Server {
    let handled = Rc::clone(handled);
    let handler = move |mut reader: StreamReader, writer: StreamWriter| {
        handled.set(handled.get() + 1);
        async move {
            while let Ok(Some(line)) = reader.next_line().await {
                writer.write(&line);
            }
        }
    };
    start_server(handler, "127.0.0.1:0").tls(tls).await.unwrap()
}

fn port(server: &Server) -> u16 {
    server.local_addrs()[0].port()
}

async fn echoed(reader: &mut StreamReader, writer: &StreamWriter, line: &[u8]) -> Vec<u8> {
    writer.write(line);
    reader.readline().await.unwrap()
}

#[test]
fn both_versions_carry_bytes_and_say_what_was_agreed() {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost"]);
    let versions =
        [(&rustls::version::TLS12, ProtocolVersion::TLSv1_2), (&rustls::version::TLS13, ProtocolVersion::TLSv1_3)];
    for (version, expected) in versions {
        run(async {
            let server = serve(server_of(&identity).alpn(["b", "a"]), &Rc::default()).await;
            let mut config = authority.client_of(version);
            Arc::make_mut(&mut config).alpn_protocols = vec![b"a".to_vec(), b"c".to_vec()];
            let connecting = open_connection(server.local_addrs()[0]).tls(config).server_hostname("localhost");
            let (mut reader, writer) = connecting.await.unwrap();
            assert_eq!(echoed(&mut reader, &writer, b"hello\n").await, b"hello\n");

            let info = writer.extra_info();
            let tls = info.tls().expect("it is TLS");
            assert_eq!(tls.protocol_version(), expected);
            assert!(tls.cipher_suite().as_str().is_some_and(|name| name.contains("AES") || name.contains("CHACHA")));
            assert_eq!(tls.alpn(), Some(&b"a"[..]));
            assert_eq!(tls.server_name(), Some("localhost"));
            assert_eq!(tls.peer_certificates(), [identity.certificate()]);
            assert_eq!(info.peername().and_then(|name| name.as_inet()), Some(server.local_addrs()[0]));

            writer.close();
            writer.wait_closed().await.unwrap();
            assert_eq!(writer.extra_info().tls().map(|tls| tls.protocol_version()), Some(expected));
        });
    }
}

#[test]
fn a_host_name_and_an_address_are_verified_without_being_asked() {
    let authority = Authority::new();
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    run(async {
        let server = serve(server_of(&authority.sign(&["localhost", "127.0.0.1"])), &Rc::default()).await;
        for host in ["localhost", "127.0.0.1"] {
            let (mut reader, writer) = open_connection((host, port(&server))).tls(&client).await.unwrap();
            assert_eq!(echoed(&mut reader, &writer, b"hello\n").await, b"hello\n");
            assert_eq!(writer.extra_info().tls().unwrap().server_name(), Some(host));
        }
    });
}

#[test]
fn what_must_fail_fails_with_its_cause_and_without_a_byte() {
    let authority = Authority::new();
    let good = authority.sign(&["localhost"]);
    let cases = [
        ("wrong name", authority.sign(&["elsewhere.test"]), "localhost", TlsErrorKind::WrongName, "another name"),
        ("address without SAN", good, "127.0.0.1", TlsErrorKind::WrongName, "another name"),
        ("expired", authority.sign_expired(&["localhost"]), "localhost", TlsErrorKind::Expired, "has expired"),
        ("early", authority.sign_early(&["localhost"]), "localhost", TlsErrorKind::NotYetValid, "not valid yet"),
        ("self-signed", self_signed(&["localhost"]), "localhost", TlsErrorKind::UnknownIssuer, "unknown issuer"),
        ("stranger", Authority::new().sign(&["localhost"]), "localhost", TlsErrorKind::UnknownIssuer, "unknown issuer"),
    ];
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    let cases = cases.iter().flat_map(|case| versions.map(|version| (case, version)));
    for ((case, identity, name, kind, words), version) in cases {
        run(async {
            let handled = Rc::new(Cell::new(0));
            let server = serve(server_of(identity), &handled).await;
            let client = authority.client_of(version);
            let connecting = open_connection(server.local_addrs()[0]).tls(client).server_hostname(*name);
            let error = connecting.await.expect_err(case);
            assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(*kind), "{case}: {error}");
            assert!(error.to_string().contains(words), "{case}: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source.filter(|inner| !inner.is::<rustls::Error>()) {
                source = inner.source();
            }
            assert!(source.is_some(), "{case}: rustls' own error is the source");
            // The server learns of the failure and closes the connection.
            server.close();
            server.wait_closed().await;
            assert_eq!(handled.get(), 0, "{case}: no handler was called");
        });
    }
}

#[test]
fn no_common_application_protocol_is_an_error_on_both_sides() {
    let authority = Authority::new();
    run(async {
        let handled = Rc::new(Cell::new(0));
        let server = serve(server_of(&authority.sign(&["127.0.0.1"])).alpn(["h2"]), &handled).await;
        let client = TlsClient::with_roots(&authority.pem).unwrap().alpn(["http/1.1"]);
        let error = open_connection(server.local_addrs()[0]).tls(client).await.unwrap_err();
        assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::NoCommonAlpn), "{error}");
        server.close();
        server.wait_closed().await;
        assert_eq!(handled.get(), 0);
    });
}

#[test]
fn a_required_client_certificate_is_required() {
    let authority = Authority::new();
    let server_side = authority.sign(&["127.0.0.1"]);
    let client_side = authority.sign(&["me"]);
    run(async {
        let tls =
            TlsServer::requiring_client_certificates(&server_side.chain, &server_side.key, &authority.pem).unwrap();
        let handled = Rc::new(Cell::new(0));
        let server = serve(tls, &handled).await;
        let address = server.local_addrs()[0];

        let anonymous = TlsClient::with_roots(&authority.pem).unwrap();
        // With TLS 1.3, the client is done before the server has seen its certificate, so it may learn of the refusal
        // later.
        let error = match open_connection(address).tls(&anonymous).await {
            Err(error) => error,
            Ok((mut reader, _writer)) => reader.read(1).await.unwrap_err(),
        };
        assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::Refused), "{error}");
        assert_eq!(handled.get(), 0);

        let known = anonymous.client_certificate(&client_side.chain, &client_side.key).unwrap();
        let (mut reader, writer) = open_connection(address).tls(known).await.unwrap();
        assert_eq!(echoed(&mut reader, &writer, b"hello\n").await, b"hello\n");
        assert_eq!(handled.get(), 1);
    });
}

#[test]
fn unix_sockets_speak_tls_if_the_name_is_given() {
    let authority = Authority::new();
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    let files = crate::common::files::Files::new("tls-unix");
    let path = files.put("placeholder", "").replace("placeholder", "socket");
    run(async {
        let handler = async |mut reader: StreamReader, writer: StreamWriter| {
            writer.write(&reader.readline().await.unwrap_or_default());
        };
        let tls = server_of(&authority.sign(&["inside"]));
        let _server = start_unix_server(handler, &path).tls(tls).await.unwrap();
        let error = open_unix_connection(&path).tls(&client).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let (mut reader, writer) = open_unix_connection(&path).tls(&client).server_hostname("inside").await.unwrap();
        assert_eq!(echoed(&mut reader, &writer, b"hello\n").await, b"hello\n");
    });
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_connected() {
    let client = TlsClient::with_roots(Authority::new().pem).unwrap();
    run(async {
        // Port 1 refuses connections, so an attempt that gets that far returns another error.
        let nowhere = "127.0.0.1:1";
        let refused = [
            open_connection(nowhere).server_hostname("x").await,
            open_connection(nowhere).tls_handshake_timeout(Duration::from_secs(1)).await,
            open_connection(nowhere).tls(&client).tls_handshake_timeout(Duration::ZERO).await,
            open_connection(nowhere).tls(&client).tls_shutdown_timeout(Duration::ZERO).await,
            open_connection(nowhere).tls(&client).server_hostname("not a name").await,
        ];
        for outcome in refused {
            assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        let error = open_connection(nowhere).tls(&client).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
    assert_eq!(TlsClient::with_roots("nothing").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(TlsServer::new("nothing", "nothing").unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn who_does_not_speak_tls_is_told_apart_from_who_says_nothing() {
    let authority = Authority::new();
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    run(async {
        // Plain text to a client.
        let plain = start_server(
            |_reader, writer: StreamWriter| writer.write(b"220 hello, this is plain text\r\n"),
            "127.0.0.1:0",
        );
        let plain = plain.await.unwrap();
        let error = open_connection(plain.local_addrs()[0]).tls(&client).await.unwrap_err();
        assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::Protocol), "{error}");

        // An end instead of a handshake.
        let gone = start_server(|_reader, _writer| {}, "127.0.0.1:0").await.unwrap();
        let error = open_connection(gone.local_addrs()[0]).tls(&client).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");

        // Silence.
        let silent = start_server(
            async |_reader: StreamReader, _writer: StreamWriter| sleep(Duration::from_secs(60)).await,
            "127.0.0.1:0",
        );
        let silent = silent.await.unwrap();
        let limit = Duration::from_millis(10);
        let error = open_connection(silent.local_addrs()[0]).tls(&client).tls_handshake_timeout(limit).await;
        let error = error.unwrap_err();
        assert_eq!(TlsError::of(&error).map(TlsError::kind), Some(TlsErrorKind::HandshakeTimedOut(limit)));
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);

        // Plain text to a server.
        let handled = Rc::new(Cell::new(0));
        let server = serve(server_of(&authority.sign(&["127.0.0.1"])), &handled).await;
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        writer.write(b"GET / HTTP/1.0\r\n\r\n");
        let answer = reader.read_to_end().await.unwrap();
        assert_eq!(answer.first(), Some(&21), "an alert, and nothing else: {answer:?}");
        assert_eq!(handled.get(), 0);
    });
}

#[test]
fn a_whole_session_may_come_byte_by_byte() {
    let authority = Authority::new();
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    run(async {
        let server = serve(server_of(&authority.sign(&["127.0.0.1"])), &Rc::default()).await;
        let relay = crate::common::tls_peer::byte_by_byte(server.local_addrs()[0]);
        let (mut reader, writer) = open_connection(relay).tls(&client).await.unwrap();
        assert_eq!(echoed(&mut reader, &writer, b"hello\n").await, b"hello\n");
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn tls_within_tls_works() {
    let authority = Authority::new();
    let tls = server_of(&authority.sign(&["127.0.0.1"]));
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    run(async {
        let inner = TlsRole::from(&tls);
        let handler = move |reader: StreamReader, writer: StreamWriter| {
            let inner = inner.clone();
            async move {
                let (mut reader, writer) = start_tls(reader, writer, inner).hand_over_unread(true).await?;
                let line = reader.readline().await?;
                writer.write_all(&line).await
            }
        };
        let server = start_server(handler, "127.0.0.1:0").tls(tls).await.unwrap();
        let (reader, writer) = open_connection(server.local_addrs()[0]).tls(&client).await.unwrap();
        let (mut reader, writer) = start_tls(reader, writer, &client).server_hostname("127.0.0.1").await.unwrap();
        assert_eq!(echoed(&mut reader, &writer, b"hello\n").await, b"hello\n");
        assert_eq!(reader.read(1).await.unwrap(), b"");
    });
}
