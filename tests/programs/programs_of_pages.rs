//! The other examples from asyncio's documentation, run as programs: waiting for sockets, protocols, datagrams, pipes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;

use crate::common::processes::Process;
use crate::servers::{Server, example};

fn lines_of(name: &str, arguments: &[&str]) -> Vec<String> {
    let (status, lines, errors) = Process::start(Command::new(example(name)).args(arguments)).finish();
    assert!(status.success(), "{name}: {errors}");
    assert_eq!(errors, "", "{name}");
    lines
}

#[test]
fn an_open_socket_is_waited_for_with_streams_and_with_a_callback() {
    assert_eq!(lines_of("wait_for_data", &[]), ["Received: abc"]);
    assert_eq!(lines_of("watch_fd", &[]), ["Received: abc"]);
}

#[test]
fn the_echo_client_and_server_as_protocols_understand_each_other() {
    let server = Server::example("echo_protocol");
    for message in ["Hello World!", "Grüß Gott"] {
        let said = lines_of("echo_client_protocol", &[&server.address.to_string(), message]);
        let expected = [
            format!("Data sent: {message:?}"),
            format!("Data received: {message:?}"),
            "The server closed the connection".to_owned(),
        ];
        assert_eq!(said, expected);
    }
    assert_eq!(server.process.errors(), "");
}

#[test]
fn a_datagram_comes_back() {
    let expected =
        [r#"Client sends "Hello World!""#, r#"Server received "Hello World!""#, r#"Client received "Hello World!""#];
    assert_eq!(lines_of("udp_echo", &[]), expected);
}

#[test]
fn what_goes_into_cat_comes_out_of_it() {
    let data: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut command = Command::new(example("cat"));
    let mut cat = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = cat.stdin.take().unwrap();
    let sent = data.clone();
    let feeding = thread::spawn(move || input.write_all(&sent));
    let mut output = Vec::new();
    cat.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    feeding.join().unwrap().unwrap();
    let mut errors = String::new();
    cat.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(cat.wait().unwrap().success(), "{errors}");
    assert!(output == data, "{} of {} bytes", output.len(), data.len());
}

/// A server with one page, for one request. The thread returns the lines of the request.
fn page() -> (SocketAddr, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let asked: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        (&stream).write_all(b"HTTP/1.0 200 OK\r\nServer: a test\r\n\r\n").unwrap();
        asked
    });
    (address, asked)
}

#[test]
fn the_headers_of_a_page_are_printed() {
    let (address, asked) = page();
    let lines = lines_of("http_headers", &[&format!("http://{address}/path")]);
    assert_eq!(lines, ["HTTP header> HTTP/1.0 200 OK", "HTTP header> Server: a test"]);
    assert_eq!(asked.join().unwrap()[0], "HEAD /path HTTP/1.0");
}
