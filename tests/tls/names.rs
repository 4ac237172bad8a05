//! Which name TLS verifies: a missing name is an error, however it comes to be missing, and only an explicit call
//! switches the check off. The peers are Python servers, whose certificates are good except for their names.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::thread;

use crate::common::certificates::{Authority, Identity};
use crate::common::files::Files;
use crate::common::processes::{Process, serving};
use crate::common::running::run;
use crate::settings::kind_of;
use waterwheel::{
    Endpoint, Protocol, StreamReader, StreamWriter, TlsClient, TlsErrorKind, get_running_loop, open_connection,
    open_unix_connection, start_tls,
};

/// A protocol without callbacks.
struct Untold;

impl Protocol for Untold {}

/// A Python server with this certificate. It echoes lines, and wants a certificate from the same authority.
fn python_server(files: &Files, authority: &Authority, identity: &Identity) -> (Process, SocketAddr) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/tls_server.py");
    let (cert, key) = (files.put("cert.pem", &identity.chain), files.put("key.pem", &identity.key));
    let ca = files.put("ca.pem", &authority.pem);
    serving(Command::new("python3").arg("-B").arg(script).args([&cert, &key, &ca, "TLSv1_3"]))
}

/// A client that such a server accepts.
fn client_of(authority: &Authority) -> TlsClient {
    let own = authority.sign(&["me"]);
    TlsClient::with_roots(&authority.pem).unwrap().client_certificate(&own.chain, &own.key).unwrap()
}

#[track_caller]
fn assert_wants_a_name<T>(outcome: io::Result<T>, case: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("{case}: connected without a look at the name"));
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{case}: {error}");
    assert!(error.to_string().contains("server_hostname"), "{case}: {error}");
}

async fn echoed(reader: &mut StreamReader, writer: &StreamWriter) -> Vec<u8> {
    writer.write(b"hello\n");
    reader.readline().await.unwrap()
}

#[test]
fn without_a_host_no_server_is_taken_whatever_its_name_is() {
    let (authority, files) = (Authority::new(), Files::new("tls-no-name"));
    let (_server, address) = python_server(&files, &authority, &authority.sign(&["elsewhere.test"]));
    let port = address.port();
    let client = client_of(&authority);
    run(async {
        let here = get_running_loop();
        let factory = || Rc::new(Untold);
        let nobody: [fn(u16) -> Endpoint; 4] = [
            |port| ("", port).into(),
            |port| (String::new(), port).into(),
            |port| format!(":{port}").into(),
            |port| (["", "127.0.0.1"], port).into(),
        ];
        for endpoint in nobody.map(|endpoint| move || endpoint(port)) {
            let case = format!("{:?}", endpoint());
            assert_wants_a_name(open_connection(endpoint()).tls(&client).await, &case);
            assert_wants_a_name(here.create_connection(factory, endpoint()).tls(&client).await, &case);
            assert_wants_a_name(open_connection(endpoint()).tls(&client).server_hostname("").await, &case);
        }
        let socket = || TcpStream::connect(address).unwrap();
        assert_wants_a_name(open_connection(socket()).tls(&client).await, "a ready socket");
        let (reader, writer) = open_connection(address).await.unwrap();
        assert_wants_a_name(start_tls(reader, writer, &client).await, "start_tls on streams");
        let (transport, protocol) = here.create_connection(factory, address).await.unwrap();
        assert_wants_a_name(here.start_tls(transport, protocol, &client).await, "start_tls on a transport");
    });
}

#[test]
fn an_empty_name_is_an_absent_one_wherever_it_is_given() {
    let (authority, files) = (Authority::new(), Files::new("tls-empty-name"));
    let (_server, address) = python_server(&files, &authority, &authority.sign(&["127.0.0.1"]));
    let path = files.put("socket", "");
    std::fs::remove_file(&path).unwrap();
    let _listener = UnixListener::bind(&path).unwrap();
    let client = client_of(&authority);
    run(async {
        let here = get_running_loop();
        let factory = || Rc::new(Untold);
        let opening = open_connection(address).tls(&client).server_hostname("");
        assert_wants_a_name(opening.await, "a stream");
        let connecting = here.create_connection(factory, address).tls(&client).server_hostname("");
        assert_wants_a_name(connecting.await, "a transport");
        let opening = open_unix_connection(&path).tls(&client).server_hostname("");
        assert_wants_a_name(opening.await, "a Unix stream");
        let connecting = here.create_unix_connection(factory, &path).tls(&client).server_hostname("");
        assert_wants_a_name(connecting.await, "a Unix transport");
        let (reader, writer) = open_connection(address).await.unwrap();
        assert_wants_a_name(start_tls(reader, writer, &client).server_hostname("").await, "start_tls on streams");
        let (transport, protocol) = here.create_connection(factory, address).await.unwrap();
        let upgrade = here.start_tls(transport, protocol, &client).server_hostname("");
        assert_wants_a_name(upgrade.await, "start_tls on a transport");
    });
}

#[test]
fn what_is_no_name_of_a_server_is_refused_before_anything_is_connected() {
    let client = TlsClient::with_roots(Authority::new().pem).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    run(async {
        for name in [".", "*", "*.example.org", ".example.org", "a..b", "[::1]", "::1%lo", " ", "a b", "host:443", "\0"]
        {
            let error = open_connection(address).tls(&client).server_hostname(name).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name:?}: {error}");
            assert!(error.to_string().contains(&format!("{name:?}")), "{name:?}: {error}");
        }
    });
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock, "nobody has connected");
}

#[test]
fn a_host_name_beyond_ascii_is_to_be_given_as_certificates_have_it() {
    let client = TlsClient::with_roots(Authority::new().pem).unwrap();
    run(async {
        let name = "münchen.example";
        let as_host = open_connection((name, 443)).tls(&client).await;
        let as_text = open_connection(format!("{name}:443")).tls(&client).await;
        let as_name = open_connection("127.0.0.1:1").tls(&client).server_hostname(name).await;
        for outcome in [as_host, as_text, as_name] {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
            let text = error.to_string();
            assert!(text.contains(name) && text.contains("xn--"), "{text}");
        }
        // In that form it is a name like any other, and only the connection fails.
        let named = open_connection("127.0.0.1:1").tls(&client).server_hostname("xn--mnchen-3ya.example").await;
        assert_eq!(named.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn what_is_no_endpoint_says_so_also_where_tls_wants_its_host() {
    let client = TlsClient::with_roots(Authority::new().pem).unwrap();
    run(async {
        for (text, words) in [("localhost:99999", "port"), ("::1:80", "brackets"), ("nowhere", "host:port")] {
            let error = open_connection(text).tls(&client).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{text}: {error}");
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
        let error = open_connection(("[::1]", 443)).tls(&client).await.unwrap_err();
        assert!(error.to_string().contains("brackets"), "{error}");
    });
}

#[test]
fn lists_of_application_protocols_that_no_handshake_can_carry_are_refused() {
    let authority = Authority::new();
    let identity = authority.sign(&["127.0.0.1"]);
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    let long = "a".repeat(256);
    let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
    run(async {
        for name in ["", &long] {
            let error = open_connection(address).tls(client.clone().alpn(["h2", name])).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("alpn"), "{error}");
            let server = waterwheel::TlsServer::new(&identity.chain, &identity.key).unwrap().alpn([name]);
            let serving = waterwheel::start_server(|_, _| {}, "127.0.0.1:0").tls(server).await;
            assert_eq!(serving.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        let longest = client.alpn([&long[..255]]);
        assert_eq!(open_connection(address).tls(longest).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_client_that_has_given_up_names_is_served_under_any_and_none() {
    let (authority, files) = (Authority::new(), Files::new("tls-any-name"));
    let (_server, address) = python_server(&files, &authority, &authority.sign(&["elsewhere.test"]));
    let port = address.port();
    let client = client_of(&authority).danger_accept_invalid_hostnames().unwrap();
    run(async {
        let socket = TcpStream::connect(address).unwrap();
        for opening in [
            open_connection(("", port)),
            open_connection(format!(":{port}")),
            open_connection(("localhost", port)),
            open_connection(address),
            open_connection(address).server_hostname("here.test"),
            open_connection(address).server_hostname(""),
            open_connection(socket),
        ] {
            let case = format!("{opening:?}");
            let (mut reader, writer) = opening.tls(&client).await.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(echoed(&mut reader, &writer).await, b"hello\n", "{case}");
            // An unverified name must not be reported as verified.
            assert_eq!(writer.extra_info().tls().unwrap().server_name(), None, "{case}");
        }
        let (reader, writer) = open_connection(address).await.unwrap();
        let (mut reader, writer) = start_tls(reader, writer, &client).await.unwrap();
        assert_eq!(echoed(&mut reader, &writer).await, b"hello\n");
    });
}

#[test]
fn giving_up_names_gives_up_nothing_else() {
    let (authority, files) = (Authority::new(), Files::new("tls-all-but-names"));
    let own = authority.sign(&["me"]);
    let client = TlsClient::with_roots(Authority::new().pem).unwrap();
    let stranger = client.client_certificate(&own.chain, &own.key).unwrap().danger_accept_invalid_hostnames().unwrap();
    let client = client_of(&authority).danger_accept_invalid_hostnames().unwrap();
    for (identity, client, expected) in [
        (authority.sign(&["elsewhere.test"]), &stranger, TlsErrorKind::UnknownIssuer),
        (authority.sign_expired(&["localhost"]), &client, TlsErrorKind::Expired),
        (authority.sign_early(&["elsewhere.test"]), &client, TlsErrorKind::NotYetValid),
    ] {
        let (_server, address) = python_server(&files, &authority, &identity);
        run(async {
            for name in ["", "localhost"] {
                let error = open_connection(address).tls(client).server_hostname(name).await.unwrap_err();
                assert_eq!(kind_of(&error), Some(expected), "{name:?}: {error}");
            }
        });
    }
}

#[test]
fn a_client_from_before_names_were_given_up_verifies_them_still() {
    let (authority, files) = (Authority::new(), Files::new("tls-strict-twin"));
    let (_server, address) = python_server(&files, &authority, &authority.sign(&["elsewhere.test"]));
    let strict = client_of(&authority);
    let lax = strict.clone().danger_accept_invalid_hostnames().unwrap();
    assert!(format!("{strict:?}").contains("verifies_name: true"), "{strict:?}");
    assert!(format!("{lax:?}").contains("verifies_name: false"), "{lax:?}");
    run(async {
        for _ in 0..2 {
            // A session of one client must not be resumed by the other.
            let (mut reader, writer) = open_connection(("localhost", address.port())).tls(&lax).await.unwrap();
            assert_eq!(echoed(&mut reader, &writer).await, b"hello\n");
            let error = open_connection(("localhost", address.port())).tls(&strict).await.unwrap_err();
            assert_eq!(kind_of(&error), Some(TlsErrorKind::WrongName), "{error}");
        }
    });
    let given = TlsClient::from(strict.rustls_config());
    assert_eq!(given.danger_accept_invalid_hostnames().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    drop(lax.danger_accept_invalid_hostnames().expect("twice is as once"));
}

#[test]
fn a_name_that_is_not_verified_is_still_asked_for_and_an_absent_one_is_not() {
    let client = TlsClient::with_roots(Authority::new().pem).unwrap().danger_accept_invalid_hostnames().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (name, is_asked_for) in [("named.test", true), ("", false)] {
        let client = client.clone();
        let attempt = thread::spawn(move || {
            run(async move { open_connection(address).tls(client).server_hostname(name).await.map(drop) })
        });
        let (mut peer, _) = listener.accept().unwrap();
        let mut header = [0; 5];
        peer.read_exact(&mut header).unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        peer.read_exact(&mut hello).unwrap();
        drop(peer);
        attempt.join().unwrap().unwrap_err();
        let asked_for = |name: &[u8]| hello.windows(name.len()).any(|bytes| bytes == name);
        assert_eq!(asked_for(b"named.test"), is_asked_for, "{name:?}");
    }
}
