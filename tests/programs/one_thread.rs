//! How many threads a program has: one, unless it asks for more.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use crate::common::processes::{PATIENCE, until};
use crate::servers::{Server, example};

/// Sends a line to a server, and checks that there is an answer.
fn visit(server: &Server) {
    let mut stream = TcpStream::connect(server.address).expect("the example listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.write_all(b"Hello World!\r\n\r\n").expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("our side is open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server ends the stream in an orderly way");
    assert_ne!(answer, b"");
}

#[test]
fn a_program_that_asks_for_no_thread_has_one() {
    for name in ["echo_streams", "echo_protocol", "tcp_echo_server", "line_server"] {
        // In debug mode another thread waits for SIGQUIT.
        let mut command = Command::new(example(name));
        let server = Server::start(command.arg("127.0.0.1:0").env_remove("WATERWHEEL_DEBUG"));
        assert_eq!(server.threads(), 1, "{name}, before there are clients");
        (0..3).for_each(|_| visit(&server));
        assert_eq!(server.threads(), 1, "{name}, after it has served");
    }
}

#[test]
fn the_threads_of_a_program_that_asks_are_counted() {
    let server = Server::start(Command::new(example("per_core")).args(["127.0.0.1:0", "2"]));
    until("both loops have their threads", || server.threads() > 1);
}
