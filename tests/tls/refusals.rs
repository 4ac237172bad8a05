//! Peers that must be refused: bad certificates on either side, and no common protocol, with OpenSSL, Python's asyncio
//! and curl as the other side, over both versions of TLS. No byte of the application passes.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::certificates::self_signed;
use crate::common::certificates::{Authority, Identity};
use crate::common::files::Files;
use crate::common::free_address::free_address;
use crate::common::processes::{Process, serving};
use crate::common::running::run;
use crate::settings::kind_of;
use waterwheel::rustls::SupportedProtocolVersion;
use waterwheel::rustls::version::{TLS12, TLS13};
use waterwheel::{StreamReader, StreamWriter, TlsClient, TlsErrorKind, TlsServer, open_connection, start_server};

/// A version of TLS, and its names for OpenSSL, Python and curl.
struct Version {
    ours: &'static SupportedProtocolVersion,
    openssl: &'static str,
    python: &'static str,
    curl: [&'static str; 3],
}

const VERSIONS: [Version; 2] = [
    Version { ours: &TLS12, openssl: "-tls1_2", python: "TLSv1_2", curl: ["--tlsv1.2", "--tls-max", "1.2"] },
    Version { ours: &TLS13, openssl: "-tls1_3", python: "TLSv1_3", curl: ["--tlsv1.3", "--tls-max", "1.3"] },
];

/// A server's certificate that is not valid for `host`, and why.
struct Bad {
    name: &'static str,
    identity: Identity,
    host: &'static str,
    kind: TlsErrorKind,
}

fn bad_servers(authority: &Authority) -> Vec<Bad> {
    let here = &["localhost"];
    let bad = |name, identity, host, kind| Bad { name, identity, host, kind };
    vec![
        bad("wrong name", authority.sign(&["elsewhere.test"]), "localhost", TlsErrorKind::WrongName),
        bad("address without SAN", authority.sign(here), "127.0.0.1", TlsErrorKind::WrongName),
        bad("expired", authority.sign_expired(here), "localhost", TlsErrorKind::Expired),
        bad("not yet valid", authority.sign_early(here), "localhost", TlsErrorKind::NotYetValid),
        bad("self-signed", self_signed(here), "localhost", TlsErrorKind::UnknownIssuer),
        bad("unknown issuer", Authority::new().sign(here), "localhost", TlsErrorKind::UnknownIssuer),
    ]
}

/// Certificates in files, for other programs.
struct InFiles {
    cert: String,
    key: String,
}

fn in_files(files: &Files, name: &str, identity: &Identity) -> InFiles {
    InFiles {
        cert: files.put(&format!("{name}.cert.pem"), &identity.chain),
        key: files.put(&format!("{name}.key.pem"), &identity.key),
    }
}

fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script));
    command
}

fn openssl_server(at: &InFiles, version: &Version, more: &[&str]) -> (Process, SocketAddr) {
    // With -quiet, OpenSSL does not print which port it took.
    let address = free_address();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-cert", &at.cert, "-key", &at.key, version.openssl]);
    command.args(["-accept", &address.to_string()]).args(more);
    (Process::start(&mut command), address)
}

/// Connects and reads, and returns the error that one of the two must give.
fn error_of(address: SocketAddr, host: &str, tls: TlsClient) -> io::Error {
    run(async {
        loop {
            let error = match open_connection(address).tls(&tls).server_hostname(host).await {
                Err(error) => error,
                // With TLS 1.3, a client learns of its own refusal only now.
                Ok((mut reader, _writer)) => reader.read(1).await.expect_err("it should fail"),
            };
            // The server needs a moment until it listens.
            if error.kind() != io::ErrorKind::ConnectionRefused {
                return error;
            }
            waterwheel::sleep(Duration::from_millis(5)).await;
        }
    })
}

#[test]
fn our_client_says_nothing_to_servers_with_a_bad_certificate() {
    let authority = Authority::new();
    let files = Files::new("tls-bad-servers");
    let ca = files.put("ca.pem", &authority.pem);
    for Bad { name, identity, host, kind } in bad_servers(&authority) {
        let at = in_files(&files, &name.replace(' ', "-"), &identity);
        for version in &VERSIONS {
            let case = format!("{name}, {}", version.python);
            let tls = || TlsClient::from(authority.client_of(version.ours));

            let (mut openssl, address) = openssl_server(&at, version, &[]);
            let error = error_of(address, host, tls());
            assert_eq!(kind_of(&error), Some(kind), "{case}: {error}");
            // OpenSSL prints the alert that it receives.
            crate::common::processes::until("OpenSSL has heard of it", || openssl.errors().contains("alert"));
            openssl.kill();
            let (_, lines, _) = openssl.finish();
            assert!(lines.is_empty(), "{case}: {lines:?}");

            let (_asyncio, address) = serving(python("tls_server.py").args([&at.cert, &at.key, &ca, version.python]));
            let error = error_of(address, host, tls());
            assert_eq!(kind_of(&error), Some(kind), "{case}: {error}");
        }
    }
}

/// What a server of ours has done.
#[derive(Default)]
struct Served {
    /// How many times the handler was called.
    handled: AtomicUsize,
    /// How many bytes the handlers received.
    heard: AtomicUsize,
}

/// A server of ours in a thread, which echoes lines.
fn serve(tls: TlsServer) -> (SocketAddr, Arc<Served>) {
    let served = Arc::<Served>::default();
    let (tell, told) = channel();
    let count = Arc::clone(&served);
    thread::spawn(move || {
        let handler = move |mut reader: StreamReader, writer: StreamWriter| {
            count.handled.fetch_add(1, Ordering::SeqCst);
            let count = Arc::clone(&count);
            async move {
                let line = reader.readline().await?;
                count.heard.fetch_add(line.len(), Ordering::SeqCst);
                writer.write_all(&line).await
            }
        };
        waterwheel::run(async {
            let server = start_server(handler, "127.0.0.1:0").tls(tls).await?;
            tell.send(server.local_addrs()[0]).expect("the test waits");
            server.serve_forever().await
        })
    });
    (told.recv_timeout(Duration::from_secs(10)).expect("the server starts"), served)
}

/// How other programs connect as clients.
struct Attempt<'a> {
    address: SocketAddr,
    host: &'a str,
    ca: &'a str,
    alpn: &'a str,
    identity: Option<&'a InFiles>,
}

impl Attempt<'_> {
    /// Makes each of the three programs connect and send, and checks that each is refused or refuses.
    #[track_caller]
    fn check_refused(&self, version: &Version, case: &str) {
        let Attempt { address, host, ca, alpn, identity } = *self;
        let verify = if host.starts_with(|c: char| c.is_ascii_digit()) { "-verify_ip" } else { "-verify_hostname" };
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error", verify, host, "-CAfile", ca]);
        openssl.args([version.openssl, "-connect", &address.to_string()]);
        let mut curl = Command::new("curl");
        let url = format!("https://{host}:{}/", address.port());
        curl.args(["-sS", "--max-time", "30", "--cacert", ca, &url]).args(version.curl);
        let mut asyncio = python("tls_refused.py");
        asyncio.args([&address.to_string(), ca, version.python, host, alpn]);
        if !alpn.is_empty() {
            openssl.args(["-alpn", alpn]);
        }
        if let Some(InFiles { cert, key }) = identity {
            openssl.args(["-cert", cert, "-key", key]);
            curl.args(["--cert", cert, "--key", key]);
            asyncio.args([cert, key]);
        }
        let mut program = Process::start(&mut openssl);
        let _ = program.child.stdin.take().expect("it is taken once").write_all(b"hello\n");
        // OpenSSL may be done with its input before it learns of the refusal, and then it succeeds.
        let (_, lines, errors) = program.finish();
        assert!(lines.is_empty(), "{case}: {lines:?}, {errors}");

        let (status, lines, errors) = Process::start(&mut curl).finish();
        assert!(!status.success() && lines.is_empty(), "{case}: {lines:?}, {errors}");

        let (_, lines, errors) = Process::start(&mut asyncio).finish();
        let refused = lines.len() == 1 && (lines[0].starts_with("refused") || lines[0] == "ended");
        assert!(refused, "{case}: {lines:?}, {errors}");
    }
}

#[test]
fn clients_say_nothing_to_our_server_with_a_bad_certificate() {
    let authority = Authority::new();
    let files = Files::new("tls-our-bad-server");
    let ca = files.put("ca.pem", &authority.pem);
    for Bad { name, identity, host, .. } in bad_servers(&authority) {
        let (address, served) = serve(TlsServer::new(&identity.chain, &identity.key).unwrap());
        for version in &VERSIONS {
            let case = format!("{name}, {}", version.python);
            Attempt { address, host, ca: &ca, alpn: "", identity: None }.check_refused(version, &case);
        }
        // curl checks the name after the handshake, so a handler may have been called, but no bytes were sent to it.
        assert_eq!(served.heard.load(Ordering::SeqCst), 0, "{name}");
    }
}

#[test]
fn our_server_serves_no_client_without_a_good_certificate() {
    let authority = Authority::new();
    let files = Files::new("tls-bad-clients");
    let ca = files.put("ca.pem", &authority.pem);
    let server = authority.sign(&["localhost"]);
    let tls = TlsServer::requiring_client_certificates(&server.chain, &server.key, &authority.pem).unwrap();
    let (address, served) = serve(tls);
    let bad = [
        ("none", None),
        ("unknown issuer", Some(in_files(&files, "stranger", &Authority::new().sign(&["me"])))),
        ("self-signed", Some(in_files(&files, "self-signed", &self_signed(&["me"])))),
        ("expired", Some(in_files(&files, "expired", &authority.sign_expired(&["me"])))),
    ];
    for (name, identity) in &bad {
        for version in &VERSIONS {
            let case = format!("{name}, {}", version.python);
            let identity = identity.as_ref();
            Attempt { address, host: "localhost", ca: &ca, alpn: "", identity }.check_refused(version, &case);
        }
    }
    assert_eq!(served.handled.load(Ordering::SeqCst), 0);
}

#[test]
fn servers_that_want_a_certificate_refuse_our_client_without_a_good_one() {
    let authority = Authority::new();
    let files = Files::new("tls-our-bad-client");
    let ca = files.put("ca.pem", &authority.pem);
    let at = in_files(&files, "server", &authority.sign(&["localhost"]));
    let stranger = Authority::new().sign(&["me"]);
    for version in &VERSIONS {
        let (_openssl, openssl) =
            openssl_server(&at, version, &["-Verify", "1", "-verify_return_error", "-CAfile", &ca]);
        let (_asyncio, address) = serving(python("tls_server.py").args([&at.cert, &at.key, &ca, version.python]));
        let without = TlsClient::from(authority.client_of(version.ours));
        let with = without.clone().client_certificate(&stranger.chain, &stranger.key).unwrap();
        for tls in [without, with] {
            let error = error_of(openssl, "localhost", tls.clone());
            assert_eq!(kind_of(&error), Some(TlsErrorKind::Refused), "{}: {error}", version.python);
            // asyncio closes without sending its alert.
            let error = error_of(address, "localhost", tls);
            let ended = [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof].contains(&error.kind());
            assert!(ended, "{}: {error}", version.python);
        }
    }
}

#[test]
fn without_a_common_application_protocol_nobody_is_served() {
    let authority = Authority::new();
    let files = Files::new("tls-alpn");
    let ca = files.put("ca.pem", &authority.pem);
    let server = authority.sign(&["localhost"]);
    let (address, served) = serve(TlsServer::new(&server.chain, &server.key).unwrap().alpn(["ours"]));
    let at = in_files(&files, "server", &server);
    for version in &VERSIONS {
        // curl offers protocols of its own.
        let attempt = Attempt { address, host: "localhost", ca: &ca, alpn: "theirs", identity: None };
        attempt.check_refused(version, version.python);

        let (_openssl, address) = openssl_server(&at, version, &["-alpn", "theirs"]);
        let tls = TlsClient::from(authority.client_of(version.ours)).alpn(["ours"]);
        let error = error_of(address, "localhost", tls);
        assert_eq!(kind_of(&error), Some(TlsErrorKind::NoCommonAlpn), "{}: {error}", version.python);
    }
    assert_eq!(served.handled.load(Ordering::SeqCst), 0);
}
