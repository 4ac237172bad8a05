//! TLS with other implementations: OpenSSL, Python's asyncio and curl, in both roles and versions.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::common::certificates::{Authority, Identity};
use crate::common::files::Files;
use crate::common::free_address::free_address;
use crate::common::processes::{Process, output_of};
use crate::servers::Server;
use waterwheel::{StreamReader, StreamWriter, TlsClient, TlsServer, open_connection, start_server, timeout};

fn run<F: Future>(main: F) -> F::Output {
    waterwheel::run(async { timeout(Duration::from_secs(60), main).await.expect("the test hangs") })
}

/// Echoes lines until "bye". The answer to "who" is what the handshake agreed on.
async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    while let Some(line) = reader.next_line().await? {
        match &line[..] {
            b"bye\n" => break,
            b"who\n" => {
                let info = writer.extra_info();
                let tls = info.tls().expect("it is TLS");
                let alpn = String::from_utf8_lossy(tls.alpn().unwrap_or_default()).into_owned();
                let known = !tls.peer_certificates().is_empty();
                writer.write(format!("{:?} [{alpn}] {known}\n", tls.protocol_version()).as_bytes());
            }
            line => writer.write(line),
        }
        writer.drain().await?;
    }
    Ok(())
}

/// Serves in a thread for as long as the test program runs.
fn serve(tls: TlsServer) -> SocketAddr {
    let (tell, told) = channel();
    thread::spawn(move || {
        waterwheel::run(async {
            let server = start_server(echo, "127.0.0.1:0").limit(1 << 21).tls(tls).await?;
            tell.send(server.local_addrs()[0]).expect("the test waits");
            server.serve_forever().await
        })
    });
    told.recv_timeout(Duration::from_secs(10)).expect("the server starts")
}

fn server_of(identity: &Identity) -> TlsServer {
    TlsServer::new(&identity.chain, &identity.key).unwrap()
}

fn python(script: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script));
    command
}

#[test]
fn openssl_as_client_speaks_both_versions_and_sees_our_end() {
    let authority = Authority::new();
    let (server, client) = (authority.sign(&["localhost"]), authority.sign(&["me"]));
    let files = Files::new("tls-s-client");
    let ca = files.put("ca.pem", &authority.pem);
    let (cert, key) = (files.put("cert.pem", &client.chain), files.put("key.pem", &client.key));
    let open = serve(server_of(&server).alpn(["echo"]));
    let closed = serve(TlsServer::requiring_client_certificates(&server.chain, &server.key, &authority.pem).unwrap());
    for (version, name) in [("-tls1_2", "TLSv1_2"), ("-tls1_3", "TLSv1_3")] {
        for (address, known) in [(open, false), (closed, true)] {
            let mut command = Command::new("openssl");
            command.args(["s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-servername", "localhost"]);
            command.args(["-verify_hostname", "localhost", "-CAfile", &ca, version, "-connect", &address.to_string()]);
            if known {
                command.args(["-cert", &cert, "-key", &key]);
            } else {
                command.args(["-alpn", "other,echo"]);
            }
            let mut program = Process::start(&mut command);
            let mut stdin = program.child.stdin.take().expect("it is taken once");
            stdin.write_all(b"hello\nwho\n").unwrap();
            assert_eq!(program.line().as_deref(), Some("hello"), "{}", program.errors());
            let alpn = if known { "" } else { "echo" };
            assert_eq!(program.line(), Some(format!("{name} [{alpn}] {known}")));
            stdin.write_all(b"bye\n").unwrap();
            let (status, lines, errors) = program.finish();
            assert!(status.success() && lines.is_empty(), "{status}, {lines:?}, {errors}");
            // OpenSSL prints one of these words for an end without close_notify.
            assert!(!errors.contains("eof") && !errors.contains("errno"), "{errors}");
        }
    }
}

#[test]
fn openssl_as_server_is_spoken_to_in_both_versions() {
    let authority = Authority::new();
    let (server, client) = (authority.sign(&["localhost"]), authority.sign(&["me"]));
    let files = Files::new("tls-s-server");
    let ca = files.put("ca.pem", &authority.pem);
    let (cert, key) = (files.put("cert.pem", &server.chain), files.put("key.pem", &server.key));
    let tls = TlsClient::with_roots(&authority.pem).unwrap().alpn(["other", "rev"]);
    let tls = tls.client_certificate(&client.chain, &client.key).unwrap();
    for (version, name) in [("-tls1_2", "TLSv1_2"), ("-tls1_3", "TLSv1_3")] {
        let address = free_address();
        let mut command = Command::new("openssl");
        // OpenSSL answers each line with its reverse.
        command.args(["s_server", "-rev", "-cert", &cert, "-key", &key, "-CAfile", &ca, "-Verify", "1", version]);
        command.args(["-verify_return_error", "-alpn", "rev", "-accept", &address.to_string()]);
        let _program = Process::start(&mut command);
        let (info, answer) = run(async {
            let connection = loop {
                match open_connection(address).tls(&tls).server_hostname("localhost").await {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        waterwheel::sleep(Duration::from_millis(5)).await;
                    }
                    connected => break connected.unwrap(),
                }
            };
            let (mut reader, writer) = connection;
            writer.write(b"hello\n");
            let answer = reader.readline().await.unwrap();
            writer.close();
            writer.wait_closed().await.unwrap();
            (writer.extra_info().tls().cloned().unwrap(), answer)
        });
        assert_eq!(answer, b"olleh\n");
        assert_eq!((format!("{:?}", info.protocol_version()).as_str(), info.alpn()), (name, Some(&b"rev"[..])));
    }
}

#[test]
fn asyncio_as_client_echoes_a_megabyte() {
    let authority = Authority::new();
    let files = Files::new("tls-asyncio-client");
    let ca = files.put("ca.pem", &authority.pem);
    let address = serve(server_of(&authority.sign(&["localhost"])).alpn(["echo"])).to_string();
    for (version, name) in [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")] {
        let said = output_of(python("tls_client.py").args([&address, &ca, version]), None);
        assert_eq!(String::from_utf8_lossy(&said).trim(), format!("{name} echo 1000001"));
    }
}

#[test]
fn asyncio_as_server_gets_our_certificate_and_echoes_a_megabyte() {
    let authority = Authority::new();
    let (server, client) = (authority.sign(&["localhost"]), authority.sign(&["me"]));
    let files = Files::new("tls-asyncio-server");
    let ca = files.put("ca.pem", &authority.pem);
    let (cert, key) = (files.put("cert.pem", &server.chain), files.put("key.pem", &server.key));
    for version in ["TLSv1_2", "TLSv1_3"] {
        let program = Server::start(python("tls_server.py").args([&cert, &key, &ca, version]));
        run(async {
            let tls = TlsClient::with_roots(&authority.pem).unwrap().alpn(["echo"]);
            let tls = tls.client_certificate(&client.chain, &client.key).unwrap();
            let connecting = open_connection(program.address).tls(tls).server_hostname("localhost").limit(1 << 21);
            let (mut reader, writer) = connecting.await.unwrap();
            let mut line = vec![b'x'; 1_000_000];
            line.push(b'\n');
            writer.write(&line);
            assert!(reader.readline().await.unwrap() == line);
            assert_eq!(writer.extra_info().tls().unwrap().alpn(), Some(&b"echo"[..]));
            writer.write(b"\n");
            assert_eq!(reader.read(1).await.unwrap(), b"", "its close_notify is a clean end");
            writer.wait_closed().await.unwrap();
        });
    }
}
