//! The examples that speak TLS, run as programs, with certificates made for the run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::common::certificates::Authority;
use crate::common::files::Files;
use crate::common::processes::{PATIENCE, Process, output_of};
use crate::servers::{Server, example};
use waterwheel::{StreamReader, StreamWriter, TlsServer, start_server};

/// Certificates in files, as the examples expect them.
pub(crate) struct Setting {
    files: Files,
    authority: Authority,
    cert: String,
    key: String,
    pub(crate) ca: String,
}

pub(crate) fn setting(topic: &str) -> Setting {
    let (files, authority) = (Files::new(topic), Authority::new());
    let identity = authority.sign(&["localhost", "127.0.0.1"]);
    let (cert, key) = (files.put("cert.pem", &identity.chain), files.put("key.pem", &identity.key));
    let ca = files.put("ca.pem", &authority.pem);
    Setting { files, authority, cert, key, ca }
}

pub(crate) fn server(name: &str, setting: &Setting) -> Server {
    let mut command = Command::new(example(name));
    Server::start(command.args(["127.0.0.1:0", "--cert", &setting.cert, "--key", &setting.key]))
}

pub(crate) fn run(name: &str, arguments: &[&str]) -> (bool, Vec<String>, String) {
    let mut command = Command::new(example(name));
    let (status, lines, errors) = Process::start(command.args(arguments).env_remove("RUST_LOG")).finish();
    (status.success(), lines, errors)
}

fn echo(cert: &str, key: &str, ca: &str) -> (bool, Vec<String>, String) {
    run("tls_echo", &["--cert", cert, "--key", key, "--ca", ca])
}

#[test]
fn the_echo_over_tls_says_hello() {
    let setting = setting("tls-echo");
    let (success, lines, errors) = echo(&setting.cert, &setting.key, &setting.ca);
    assert_eq!((success, errors.as_str()), (true, ""));
    let (first, rest) = lines.split_first().unwrap();
    assert!(first.starts_with("Secured by TLSv1_3, TLS13_"), "{first}");
    assert_eq!(rest, [r#"Send: "Hello World!\n""#, r#"Received: "Hello World!\n""#, "Close the connection"]);
}

#[test]
fn the_echo_over_tls_says_in_one_line_why_it_does_not_trust() {
    let setting = setting("tls-echo-stranger");
    let stranger = setting.files.put("stranger.pem", &Authority::new().pem);
    let (success, lines, errors) = echo(&setting.cert, &setting.key, &stranger);
    assert_eq!((success, lines, errors.as_str()), (false, vec![], "the TLS certificate has an unknown issuer\n"));
}

#[test]
fn the_echo_over_tls_says_in_one_line_what_is_wrong_with_its_files() {
    let setting = setting("tls-echo-files");
    for (cert, key, words) in [
        (setting.key.as_str(), setting.key.as_str(), "no certificate in the PEM text"),
        (&setting.cert, &setting.cert, "no private key in the PEM text"),
        (&setting.ca, &setting.key, "this cannot be used for TLS"),
        ("/nowhere/cert.pem", &setting.key, "/nowhere/cert.pem: No such file"),
    ] {
        let (success, lines, errors) = echo(cert, key, &setting.ca);
        assert!(!success && lines.is_empty(), "{words}: {lines:?}");
        assert!(errors.contains(words) && errors.lines().count() == 1, "{words}: {errors}");
    }
}

/// Made as the example's documentation says, and as `openssl req -x509` does by default.
#[test]
fn a_certificate_made_with_openssl_serves_if_it_is_none_of_an_authority() {
    let files = Files::new("tls-openssl-req");
    let (cert, key) = (files.put("cert.pem", ""), files.put("key.pem", ""));
    for (more, outcome) in [("basicConstraints=critical,CA:FALSE", ""), ("nsComment=by itself", "(CA:TRUE)")] {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=localhost"]);
        command.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", more]);
        output_of(command.args(["-keyout", &key, "-out", &cert]), None);
        let (success, _, errors) = echo(&cert, &key, &cert);
        assert_eq!(success, outcome.is_empty(), "{errors}");
        assert!(errors.contains(outcome) && errors.lines().count() == usize::from(!success), "{errors}");
    }
}

#[test]
fn the_starttls_server_knows_its_commands_before_and_after() {
    let setting = setting("tls-starttls");
    let server = server("starttls_server", &setting);
    let address = server.address.to_string();
    // OpenSSL sends EHLO and STARTTLS by itself.
    let mut command = Command::new("openssl");
    command.args(["s_client", "-starttls", "smtp", "-quiet", "-no_ign_eof", "-verify_return_error"]);
    command.args(["-verify_hostname", "localhost", "-crlf", "-CAfile", &setting.ca, "-connect", &address]);
    let mut program = Process::start(&mut command);
    let mut stdin = program.child.stdin.take().expect("it is taken once");
    for (command, answer) in [
        ("EHLO me", "250 waterwheel, and nobody listens"),
        ("STARTTLS", "503 TLS is there already"),
        ("NONSENSE", "502 Not known here"),
        // A line that begins with a capital Q would be a command to OpenSSL.
        ("quit", "221 Goodbye"),
    ] {
        writeln!(stdin, "{command}").unwrap();
        let said = loop {
            // Even with -quiet, OpenSSL prints the last line of the conversation that it held by itself.
            match program.line() {
                Some(line) if line.trim() == "250 STARTTLS" => {}
                line => break line,
            }
        };
        assert_eq!(said.as_deref().map(str::trim), Some(answer), "{}", program.errors());
    }
    let (status, _, errors) = program.finish();
    assert!(status.success(), "{errors}");
}

#[test]
fn the_starttls_server_refuses_commands_behind_starttls() {
    let setting = setting("tls-injection");
    let server = server("starttls_server", &setting);
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"STARTTLS\r\nQUIT\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert_eq!(answer, "220 waterwheel\r\n220 Go ahead\r\n");
}

#[test]
fn http_headers_are_printed_over_http() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let asked: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        (&stream).write_all(b"HTTP/1.0 200 OK\r\nServer: a test\r\n\r\n").unwrap();
        asked
    });
    let (success, lines, errors) = run("http_headers", &[&format!("http://{address}/a?b=c#d")]);
    assert_eq!((success, errors.as_str()), (true, ""));
    assert_eq!(lines, ["HTTP header> HTTP/1.0 200 OK", "HTTP header> Server: a test"]);
    assert_eq!(asked.join().unwrap(), ["HEAD /a?b=c HTTP/1.0", &format!("Host: {address}")]);
}

/// A server with one page, over TLS, in a thread.
fn secure_page(setting: &Setting) -> SocketAddr {
    let (cert, key) = (std::fs::read(&setting.cert).unwrap(), std::fs::read(&setting.key).unwrap());
    let tls = TlsServer::new(cert, key).unwrap().alpn(["http/1.1"]);
    let (tell, told) = channel();
    thread::spawn(move || {
        let answer = async |mut reader: StreamReader, writer: StreamWriter| -> std::io::Result<()> {
            while reader.readline().await?.len() > 2 {}
            writer.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n").await
        };
        waterwheel::run(async {
            let server = start_server(answer, "127.0.0.1:0").tls(tls).await?;
            tell.send(server.local_addrs()[0]).expect("the test waits");
            server.serve_forever().await
        })
    });
    told.recv_timeout(Duration::from_secs(10)).expect("the server starts")
}

#[test]
fn http_headers_are_printed_over_https_and_curl_agrees() {
    let setting = setting("tls-https");
    let port = secure_page(&setting).port();
    let url = format!("https://localhost:{port}/");
    let (success, lines, errors) = run("http_headers", &[&url, "--ca", &setting.ca]);
    assert_eq!((success, errors.as_str()), (true, ""));
    assert_eq!(lines, ["HTTP header> HTTP/1.0 200 OK", "HTTP header> Content-Length: 5"]);

    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let said =
            output_of(Command::new("curl").args(["-sS", "-I", "--cacert", &setting.ca, &url]).args(version), None);
        assert_eq!(String::from_utf8_lossy(&said), "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n");
    }
}

#[test]
fn without_other_roots_those_of_the_platform_count() {
    let setting = setting("tls-platform");
    let url = format!("https://localhost:{}/", secure_page(&setting).port());
    let stranger = setting.files.put("stranger.pem", &Authority::new().pem);
    // The environment can say where the platform's certificates are.
    for (roots, trusted) in [(&setting.ca, true), (&stranger, false)] {
        let mut command = Command::new(example("http_headers"));
        command.arg(&url).env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR").env_remove("RUST_LOG");
        let (status, lines, errors) = Process::start(&mut command).finish();
        assert_eq!((status.success(), lines.len()), (trusted, if trusted { 2 } else { 0 }), "{errors}");
        assert_eq!(errors.contains("unknown issuer"), !trusted, "{errors}");
    }
}

#[test]
fn http_headers_says_in_one_line_what_is_wrong() {
    let setting = setting("tls-http-errors");
    let port = secure_page(&setting).port();
    let stranger = setting.files.put("stranger.pem", &Authority::new().pem);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(!setting.authority.pem.is_empty());
    for (arguments, words) in [
        (vec![format!("https://localhost:{port}/"), "--ca".to_owned(), stranger], "unknown issuer"),
        (vec![format!("https://127.0.0.2:{port}/"), "--ca".to_owned(), setting.ca.clone()], "refused"),
        (vec![format!("http://{closed}/")], "refused"),
        (vec!["ftp://localhost/".to_owned()], "not ftp"),
        (vec!["http://localhost/a b".to_owned()], "cannot have"),
        (vec!["localhost".to_owned()], "is not a URL"),
        (vec![format!("https://localhost:{port}/"), "--ca".to_owned()], "usage: http_headers URL [--ca FILE]"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (success, lines, errors) = run("http_headers", &arguments);
        assert!(!success && lines.is_empty(), "{arguments:?}: {lines:?}");
        assert!(errors.contains(words) && errors.lines().count() == 1, "{arguments:?}: {errors}");
    }
}
