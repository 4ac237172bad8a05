//! The example servers at Ctrl-C: connected clients can finish, and the server prints how their connections ended.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;

use crate::common::processes::{PATIENCE, signal, until};
use crate::servers::Server;

const SIGINT: i32 = 2;

/// Whether a TCP socket listens on this port.
fn is_listened_at(address: SocketAddr) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux lists its TCP sockets");
    let port = format!(":{:04X}", address.port());
    table.lines().any(|line| {
        // number, local name, remote name, state (0A while it listens)
        let fields: Vec<&str> = line.split_whitespace().take(4).collect();
        fields.len() == 4 && fields[1].ends_with(&port) && fields[3] == "0A"
    })
}

/// Sends a line and reads its echo. After that the server is known to serve, and to listen for signals.
fn exchange(client: &mut TcpStream, line: &str) {
    client.write_all(line.as_bytes()).expect("the server reads");
    let mut answer = vec![0; line.len()];
    client.read_exact(&mut answer).expect("it answers");
    assert_eq!(answer, line.as_bytes());
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).expect("the example listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// Sends a signal, and waits until the server no longer listens. A connection made as a probe might be accepted just
/// before the server receives the signal, and be counted.
fn interrupt(server: &Server) {
    assert!(is_listened_at(server.address));
    assert!(signal(server.pid(), "INT"));
    until("it listens no more", || !is_listened_at(server.address));
}

#[test]
fn clients_finish_after_ctrl_c_and_the_server_says_so() {
    for name in ["echo_streams", "echo_protocol", "line_server"] {
        let server = Server::example(name);
        let mut client = connect(&server);
        exchange(&mut client, "before\n");
        interrupt(&server);
        exchange(&mut client, "after\n");
        client.shutdown(Shutdown::Write).expect("our side is open");
        assert_eq!(client.read(&mut [0]).expect("the server ends the stream in an orderly way"), 0);
        drop(client);
        let (status, lines, errors) = server.process.finish();
        assert_eq!(lines, ["1 finished, 0 closed, 0 aborted"], "{name}");
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""), "{name}");
    }
}

#[test]
fn a_server_whose_clients_have_ended_ends_at_once() {
    let server = Server::example("tcp_echo_server");
    let mut client = connect(&server);
    exchange(&mut client, "hello");
    assert_eq!(client.read(&mut [0]).expect("the server ends the stream in an orderly way"), 0);
    drop(client);
    interrupt(&server);
    let (status, lines, errors) = server.process.finish();
    let report = lines.last().expect("it says how its clients ended");
    assert!(report.ends_with(" finished, 0 closed, 0 aborted"), "{lines:?}");
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
}

#[test]
fn a_second_ctrl_c_ends_a_server_at_once() {
    let server = Server::example("echo_streams");
    let mut client = connect(&server);
    exchange(&mut client, "before\n");
    interrupt(&server);
    assert!(signal(server.pid(), "INT"));
    let (status, lines, _) = server.process.finish();
    assert_eq!((status.signal(), lines.len()), (Some(SIGINT), 0));
}
