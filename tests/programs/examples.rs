//! The examples, run as a user runs them: as programs, with exactly the output that a user sees.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use crate::common::processes::{PATIENCE, Process};
use crate::servers::{Server, example};

/// What a program printed, and whether it succeeded.
#[derive(Debug)]
struct Run {
    success: bool,
    lines: Vec<String>,
    errors: String,
}

fn run(name: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(example(name));
    let (status, lines, errors) = Process::start(command.args(arguments).env_remove("RUST_LOG")).finish();
    Run { success: status.success(), lines, errors }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the example listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// Sends `data`, ends the stream, and returns everything that comes back.
fn answer_to(address: SocketAddr, data: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    stream.write_all(data).expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("our side is open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server ends the stream in an orderly way");
    answer
}

#[test]
fn tcp_echo_tells_the_whole_story() {
    let Run { success, lines, errors } = run("tcp_echo", &[]);
    let (first, rest) = lines.split_first().expect("it says something");
    let address = first.strip_prefix("Serving on 127.0.0.1:").expect("it says where first");
    assert_ne!(address.parse(), Ok(0_u16), "the real port is printed");
    let expected = [
        r#"Send: "Hello World!""#,
        r#"Received: "Hello World!""#,
        r#"Send: "The wheel turns.""#,
        r#"Received: "The wheel turns.""#,
        "Close the connection",
    ];
    assert_eq!(rest, expected);
    assert_eq!((success, errors.as_str()), (true, ""));
}

#[test]
fn tcp_echo_client_and_tcp_echo_server_understand_each_other() {
    let server = Server::example("tcp_echo_server");
    for message in ["Hello World!", "Grüß Gott"] {
        let client = run("tcp_echo_client", &[&server.address.to_string(), message]);
        let expected =
            [format!("Send: {message:?}"), format!("Received: {message:?}"), "Close the connection".to_owned()];
        assert_eq!(client.lines, expected);
        assert_eq!((client.success, client.errors.as_str()), (true, ""));

        let received = server.process.line().expect("the server goes on");
        let port = received.strip_prefix(&format!("Received {message:?} from 127.0.0.1:")).expect(&received);
        assert_ne!(port.parse(), Ok(0_u16), "the peer's port is printed");
        assert_eq!(server.process.line(), Some(format!("Send: {message:?}")));
        assert_eq!(server.process.line().as_deref(), Some("Close the connection"));
    }
    assert_eq!(server.process.errors(), "");
}

#[test]
fn both_echo_servers_echo_until_the_end_of_the_stream() {
    for name in ["echo_streams", "echo_protocol"] {
        let server = Server::example(name);
        assert_eq!(answer_to(server.address, b""), b"", "{name}");
        assert_eq!(answer_to(server.address, b"to the end"), b"to the end", "{name}");
        let large: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        assert!(answer_to(server.address, &large) == large, "{name}");
        assert_eq!(server.process.errors(), "", "{name}");
    }
}

#[test]
fn line_server_answers_each_line_and_what_is_left_at_the_end() {
    let server = Server::example("line_server");
    let mut stream = connect(server.address);
    stream.write_all(b"one\ntwo").expect("the server reads");
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).expect("a line is answered while the connection is open");
    assert_eq!(&answer, b"one\n");
    stream.set_nonblocking(true).expect("it can be set");
    let early = stream.read(&mut answer).expect_err("half a line is not answered");
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).expect("it can be set");
    stream.write_all(b"!\n\nthe last has no end").expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("our side is open");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the server ends the stream in an orderly way");
    assert_eq!(rest, "two!\n\nthe last has no end");
    assert_eq!(server.process.errors(), "");
}

#[test]
fn per_core_spreads_its_connections_over_loops_and_tells_how() {
    const CLIENTS: usize = 64;
    let server = Server::start(Command::new(example("per_core")).args(["127.0.0.1:0", "2"]));
    for _ in 0..CLIENTS {
        assert_eq!(answer_to(server.address, b"to the end"), b"to the end");
    }
    let (status, lines, errors) = server.process.finish();
    let took = |number, line: &String| {
        let count =
            line.strip_prefix(&format!("Loop {number} took ")).and_then(|line| line.strip_suffix(" connections"));
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{line:?}"))
    };
    let counts: Vec<usize> = lines.iter().enumerate().map(|(number, line)| took(number, line)).collect();
    assert_eq!((counts.len(), counts.iter().sum()), (2, CLIENTS), "{lines:?}");
    // The chance that one of the loops has no connection is 1 in 2^63.
    assert!(counts.iter().all(|&count| count > 0), "{lines:?}");
    assert_eq!((status.success(), errors.as_str()), (true, ""));
}

#[test]
fn callbacks_run_in_the_order_that_the_example_promises() {
    let Run { success, lines, errors } = run("callbacks", &[]);
    let expected = [
        "1. soon",
        "2. scheduled in a turn, run in the next",
        "3. ten milliseconds later",
        "4. twenty milliseconds later, and stop",
    ];
    assert_eq!(lines, expected);
    assert_eq!((success, errors.as_str()), (true, ""));
}

#[test]
fn tail_prints_each_line_as_it_comes_until_its_input_ends() {
    let mut command = Command::new(example("tail"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).env_remove("RUST_LOG");
    let mut child = command.spawn().expect("the example runs");
    let mut input = child.stdin.take().expect("it is piped");
    let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
    for (line, expected) in [("one", "1: one\n"), ("", "2: \n"), ("Grüß Gott", "3: Grüß Gott\n")] {
        writeln!(input, "{line}").expect("it reads");
        let mut printed = String::new();
        output.read_line(&mut printed).expect("it prints");
        assert_eq!(printed, expected);
    }
    write!(input, "the last has no end").expect("it reads");
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("it ends");
    assert_eq!(rest, "4: the last has no end\n");
    assert!(child.wait().expect("it has ended").success());
}

#[test]
fn guest_and_host_take_turns() {
    let Run { success, lines, errors } = run("guest", &[]);
    let expected = [1, 2, 3].map(|n| [format!("Host: asked for {n}"), format!("Guest: {n} squared is {}", n * n)]);
    assert_eq!(lines, expected.concat());
    assert_eq!((success, errors.as_str()), (true, ""));
}

#[test]
fn group_ends_with_the_first_failure() {
    let Run { success, lines, errors } = run("group", &[]);
    let expected = [
        "Rosalind has played to the end",
        "Rosalind leaves",
        "Touchstone leaves",
        "Orlando leaves",
        "The evening is over: Touchstone has forgotten the text",
    ];
    assert_eq!(lines, expected);
    assert_eq!((success, errors.as_str()), (true, ""));
}

#[test]
fn workers_find_factors_while_the_loop_goes_on() {
    let Run { success, lines, errors } = run("workers", &[]);
    let expected = [
        "The loop orders the smallest factor of 2147483647",
        "The loop orders the smallest factor of 13000000091",
        "The loop orders the smallest factor of 600851475143",
        "The worker found 2147483647 for 2147483647",
        "The worker found 13 for 13000000091",
        "The worker found 71 for 600851475143",
    ];
    assert_eq!(lines, expected);
    assert_eq!((success, errors.as_str()), (true, ""));
}

#[cfg(feature = "process")]
#[test]
fn child_shows_what_its_children_say() {
    let Run { success, lines, errors } = run("child", &[]);
    assert_eq!(lines[..3], ["mill", "water", "wheel"]);
    let pid = lines[3].strip_suffix(": 1").expect("the second child counts").to_owned();
    assert_ne!(pid.parse(), Ok(0_u32));
    assert_eq!(lines[3..], ["1", "2", "3", "exit status: 0"].map(|text| format!("{pid}: {text}")));
    assert_eq!((success, errors.as_str()), (true, ""));

    let Run { success, lines, errors } = run("child", &["sh", "-c", "echo one; kill -9 $$"]);
    assert!(lines[3].ends_with(": one"), "{lines:?}");
    assert!(lines[4].ends_with(": signal: 9 (SIGKILL)"), "{lines:?}");
    assert_eq!((success, errors.as_str()), (true, ""));

    let Run { success, lines, errors } = run("child", &["/nonexistent/program"]);
    assert_eq!((success, lines.len()), (false, 3), "{errors}");
    assert!(errors.contains("NotFound"), "{errors}");
}

const TAKE_AN_ADDRESS: [&str; 6] =
    ["tcp_echo_client", "tcp_echo_server", "echo_streams", "echo_protocol", "line_server", "per_core"];

#[test]
fn an_address_that_is_none_is_one_readable_line_and_a_failure() {
    for name in TAKE_AN_ADDRESS {
        for (address, expected) in [
            ("nowhere", r#""nowhere" is not of the form "host:port""#),
            ("127.0.0.1:65536", r#""127.0.0.1:65536" has an invalid port: "65536" is not a number from 0 to 65535"#),
        ] {
            let Run { success, lines, errors } = run(name, &[address]);
            assert_eq!((success, lines, errors), (false, vec![], format!("{expected}\n")), "{name} {address}");
        }
    }
}

#[test]
fn a_refused_connection_is_one_readable_line_and_a_failure() {
    // Bound, so that no other program gets the port, but not listening.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("any port");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("an internet address");
    let Run { success, lines, errors } = run("tcp_echo_client", &[&address.to_string()]);
    let expected = format!("connect to {address} failed: Connection refused (os error 111)\n");
    assert_eq!((success, lines, errors), (false, vec![], expected));
}

#[test]
fn a_look_up_for_which_no_thread_can_be_had_names_the_host() {
    // No machine has the memory for a stack of this size.
    let mut command = Command::new(example("http_headers"));
    command.arg("http://no-such-host.invalid/").env_remove("RUST_LOG").env("RUST_MIN_STACK", (1_u64 << 46).to_string());
    let (status, lines, errors) = Process::start(&mut command).finish();
    assert_eq!((status.success(), lines.len(), errors.lines().count()), (false, 0, 1), "{errors}");
    assert!(errors.contains("no-such-host.invalid") && errors.contains("no thread could be started"), "{errors}");
}

#[test]
fn an_address_in_use_is_one_readable_line_and_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("any port");
    let address = taken.local_addr().expect("it is bound");
    for name in &TAKE_AN_ADDRESS[1..] {
        let Run { success, lines, errors } = run(name, &[&address.to_string()]);
        let expected = format!("cannot bind to {address}: Address already in use (os error 98)\n");
        assert_eq!((success, lines, errors), (false, vec![], expected), "{name}");
    }
}
