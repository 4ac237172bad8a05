//! The echo servers and the client against other programs: Python's asyncio, plain sockets, netcat.
//!
//! The scripts in `tests/interop` need only Python's standard library. A missing program is a failure.

use std::path::Path;
use std::process::Command;

use crate::common::processes::{Process, output_of};
use crate::servers::{Server, example};

const ECHO_SERVERS: [&str; 2] = ["echo_streams", "echo_protocol"];

fn python(script: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let mut python = Command::new("python3");
    // -B: write no compiled files next to the scripts.
    python.arg("-B").arg(path);
    python
}

/// Runs a script against both servers, and expects exactly these lines, and no errors from the server.
#[track_caller]
fn both_servers_satisfy(script: &str, expected: &[&str]) {
    for name in ECHO_SERVERS {
        let server = Server::example(name);
        let output = output_of(python(script).arg(server.address.to_string()), None);
        let output = String::from_utf8(output).expect("the scripts print text");
        assert_eq!(output.lines().collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(server.process.errors(), "", "{name}");
    }
}

#[test]
fn fifty_asyncio_clients_at_once_get_their_own_messages_back() {
    both_servers_satisfy("many_clients.py", &["50 clients, 1000 messages"]);
}

#[test]
fn clients_that_end_their_side_first_get_everything_back() {
    let expected = [
        "0 bytes came back after the end",
        "1 bytes came back after the end",
        "100 bytes came back after the end",
        "65536 bytes came back after the end",
        "200000 bytes came back after the end",
        "50 at once",
    ];
    both_servers_satisfy("half_close.py", &expected);
}

#[test]
fn clients_that_reset_their_connections_disturb_nobody() {
    for name in ECHO_SERVERS {
        let server = Server::example(name);
        let before = server.descriptors();
        let output = output_of(python("resets.py").arg(server.address.to_string()), None);
        assert_eq!(String::from_utf8_lossy(&output), "80 resets, 10 good clients\n", "{name}");
        crate::common::processes::until("every connection is closed", || server.descriptors() == before);
    }
}

#[test]
fn a_message_may_come_one_byte_at_a_time() {
    both_servers_satisfy("one_byte.py", &["2000 bytes, one by one"]);
}

#[test]
fn sixty_four_mebibytes_come_back_unharmed() {
    both_servers_satisfy("bulk.py", &["67108864 bytes, the same checksum"]);
}

#[test]
fn a_client_that_never_reads_costs_little_memory() {
    for name in ECHO_SERVERS {
        let server = Server::example(name);
        let before = server.peak_memory();
        let output = output_of(python("never_reads.py").arg(server.address.to_string()), None);
        let expected = "stuck\nothers are served\n50000000 bytes came back\n";
        assert_eq!(String::from_utf8_lossy(&output), expected, "{name}");
        let grown = server.peak_memory() - before;
        assert!(grown < 4 * 1024, "{name} took {grown} KiB for 50 MB that were not read");
    }
}

#[test]
fn our_client_talks_to_the_server_of_asyncios_documentation() {
    let server = Server::start(&mut python("asyncio_echo_server.py"));
    let client = output_of(Command::new(example("tcp_echo_client")).arg(server.address.to_string()), None);
    let expected = "Send: \"Hello World!\"\nReceived: \"Hello World!\"\nClose the connection\n";
    assert_eq!(String::from_utf8_lossy(&client), expected);
    assert_eq!(server.process.line().as_deref(), Some("Received 'Hello World!'"));
    assert_eq!(server.process.line().as_deref(), Some("Close the connection"));
}

#[test]
fn the_client_of_asyncios_documentation_talks_to_our_server() {
    let server = Server::example("tcp_echo_server");
    let client = output_of(python("asyncio_echo_client.py").arg(server.address.to_string()), None);
    let expected = "Send: 'Hello World!'\nReceived: 'Hello World!'\nClose the connection\n";
    assert_eq!(String::from_utf8_lossy(&client), expected);
    let first = server.process.line().expect("the server goes on");
    assert!(first.starts_with("Received \"Hello World!\" from 127.0.0.1:"), "{first}");
    assert_eq!(server.process.line().as_deref(), Some("Send: \"Hello World!\""));
    assert_eq!(server.process.line().as_deref(), Some("Close the connection"));
}

#[test]
fn a_script_that_fails_is_not_taken_for_a_success() {
    // Checks the harness: without a server the client fails, and so would a test.
    let refused = Process::start(python("one_byte.py").arg("127.0.0.1:1")).finish();
    assert!(!refused.0.success());
    assert!(refused.2.contains("ConnectionRefusedError"), "{}", refused.2);
}
