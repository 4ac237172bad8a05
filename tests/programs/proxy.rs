//! The proxy, between a client and a server that are plain sockets of the test.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use crate::common::processes::{MOMENT, PATIENCE, Process};
use crate::servers::{Server, example};

/// A proxy in front of a listener of the test.
pub(crate) fn proxy(arguments: &[&str]) -> (Server, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("any port");
    let upstream = listener.local_addr().expect("it is bound").to_string();
    let mut command = Command::new(example("proxy"));
    (Server::start(command.args(["127.0.0.1:0", &upstream]).args(arguments)), listener)
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    patient(TcpStream::connect(address).expect("it listens"))
}

pub(crate) fn accept(listener: &TcpListener) -> TcpStream {
    patient(listener.accept().expect("the proxy connects").0)
}

pub(crate) fn say_all(mut stream: &TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("the other side reads");
    stream.shutdown(Shutdown::Write).expect("our side is open");
}

pub(crate) fn hear_all(mut stream: &TcpStream) -> String {
    let mut heard = String::new();
    stream.read_to_string(&mut heard).expect("the other side ends in an orderly way");
    heard
}

#[test]
fn either_side_may_end_first_and_still_hears_the_other() {
    let (proxy, listener) = proxy(&[]);
    for client_first in [true, false] {
        let client = connect(proxy.address);
        let server = accept(&listener);
        let (first, second) = if client_first { (&client, &server) } else { (&server, &client) };
        say_all(first, "that was all");
        assert_eq!(hear_all(second), "that was all");
        say_all(second, "and this is the answer");
        assert_eq!(hear_all(first), "and this is the answer");
    }
    assert_eq!(proxy.process.errors(), "");
}

#[test]
fn a_server_that_reads_nothing_holds_the_client_back() {
    const ALL: usize = 96 << 20;
    let (proxy, listener) = proxy(&[]);
    let mut client = connect(proxy.address);
    let mut server = accept(&listener);
    client.set_nonblocking(true).unwrap();
    let (chunk, mut taken, mut refusals) = (vec![7; 1 << 16], 0, 0);
    while taken < ALL && refusals < 50 {
        match client.write(&chunk) {
            Ok(n) => (taken, refusals) = (taken + n, 0),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                refusals += 1;
                thread::sleep(MOMENT);
            }
        }
    }
    assert!(taken < ALL, "all was taken, though nobody reads");
    let peak = proxy.peak_memory();
    assert!(peak < 48 << 10, "{peak} KiB");

    client.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    server.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), taken);
}

#[test]
fn a_client_whose_server_is_not_there_is_let_go_and_the_proxy_goes_on() {
    let (proxy, listener) = proxy(&[]);
    drop(listener);
    for _ in 0..2 {
        let mut heard = Vec::new();
        match connect(proxy.address).read_to_end(&mut heard) {
            Ok(_) => assert_eq!(heard, b""),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }
}

#[test]
fn a_command_line_that_is_wrong_is_one_readable_line_and_a_failure() {
    let address = "127.0.0.1:0";
    let usage = "usage: proxy LISTEN UPSTREAM [--tls CERT KEY]";
    let tls = if cfg!(feature = "tls") { "/nowhere/c: No such file" } else { "--tls needs the feature \"tls\"" };
    for (arguments, words) in [
        (&[address][..], usage),
        (&[address, address, "--tls", "/nowhere/c"], usage),
        (&[address, address, "--tls", "/nowhere/c", "/nowhere/k"], tls),
    ] {
        let (status, lines, errors) = Process::start(Command::new(example("proxy")).args(arguments)).finish();
        assert!(!status.success() && lines.is_empty(), "{arguments:?}: {lines:?}");
        assert!(errors.contains(words) && errors.lines().count() == 1, "{arguments:?}: {errors}");
    }
}

#[cfg(feature = "tls")]
mod over_tls {
    use super::{accept, hear_all, proxy, say_all};
    use crate::common::certificates::Authority;
    use crate::common::files::Files;
    use std::io::{Read, Write};
    use std::thread;
    use std::time::Duration;
    use waterwheel::{TlsClient, open_connection, timeout};

    #[test]
    fn a_client_that_ends_first_and_one_that_waits_for_the_end_are_both_served() {
        let (files, authority) = (Files::new("proxy"), Authority::new());
        let identity = authority.sign(&["127.0.0.1"]);
        let (cert, key) = (files.put("cert.pem", &identity.chain), files.put("key.pem", &identity.key));
        let (proxy, listener) = proxy(&["--tls", &cert, &key]);
        let server = thread::spawn(move || {
            // The first client waits for the end of the answer; the second one ends its side first.
            let mut waits = accept(&listener);
            let mut question = [0; 9];
            waits.read_exact(&mut question).unwrap();
            assert_eq!(&question, b"question\n");
            waits.write_all(b"answer").unwrap();
            drop(waits);
            let ends = accept(&listener);
            assert_eq!(hear_all(&ends), "that was all");
            say_all(&ends, "");
        });
        let tls = TlsClient::with_roots(&authority.pem).unwrap();
        let conversation = async {
            let (mut reader, writer) = open_connection(proxy.address).tls(&tls).await?;
            writer.write_all(b"question\n").await?;
            assert_eq!(reader.read_to_end().await?, b"answer");
            let (_reader, writer) = open_connection(proxy.address).tls(&tls).await?;
            writer.write_all(b"that was all").await?;
            writer.close();
            writer.wait_closed().await
        };
        let limited = async { timeout(Duration::from_secs(60), conversation).await.expect("it hangs") };
        waterwheel::run(limited).unwrap();
        server.join().expect("the server has heard what it should");
        assert_eq!(proxy.process.errors(), "");
    }
}
