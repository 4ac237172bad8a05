//! The RESP server and client, with plain sockets and with each other.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use crate::common::processes::{PATIENCE, Process};
use crate::servers::{Server, example};
use crate::strace::{Traced, name_of};

/// Whether the client succeeded, the lines that it prints, and its errors.
pub(crate) fn client(address: &str, commands: &[&str]) -> (bool, Vec<String>, String) {
    let mut command = Command::new(example("resp_client"));
    let (status, lines, errors) = Process::start(command.arg(address).args(commands)).finish();
    (status.success(), lines, errors)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// Sends some bytes, and returns everything until the server ends the connection.
fn last_words(address: SocketAddr, data: &[u8], end: bool) -> String {
    let mut stream = connect(address);
    // The server may close before everything is sent.
    let _ = stream.write_all(data);
    if end {
        stream.shutdown(Shutdown::Write).expect("our side is open");
    }
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn commands_are_answered_in_order_whatever_the_pieces_they_come_in() {
    let server = Server::example("resp_server");
    let mut stream = connect(server.address);
    stream.set_nodelay(true).unwrap();
    let commands = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\n4\r\n1\r\n*2\r\n$3\r\nget\r\n$1\r\na\r\n\r\nPING\r\nSET n 41\nINCR n\r\n\
        INCR a\r\nDEL n a b\r\nGET n\r\nGET\r\nSET n 9223372036854775807\r\nINCR n\r\nDECR fresh\r\nEXISTS n n x\r\nwhat is\r\n";
    let expected = "+OK\r\n$4\r\n4\r\n1\r\n+PONG\r\n+OK\r\n:42\r\n\
        -ERR value is not an integer or out of range\r\n:2\r\n$-1\r\n\
        -ERR wrong number of arguments for 'get' command\r\n+OK\r\n-ERR increment or decrement would overflow\r\n:-1\r\n\
        :2\r\n-ERR unknown command \"WHAT\"\r\n";
    for piece in [1, 7, commands.len()] {
        for part in commands.as_bytes().chunks(piece) {
            stream.write_all(part).unwrap();
        }
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected, "in pieces of {piece}");
        stream.write_all(b"DEL a n fresh\r\n").unwrap();
        stream.read_exact(&mut answer[..4]).unwrap();
    }
    assert_eq!(server.process.errors(), "");
}

#[test]
fn a_batch_of_commands_is_answered_by_one_system_call() {
    let traced = Traced::start("resp", "resp_server", &["-e", "trace=execve,sendto,sendmsg,write,writev"]);
    let mut stream = connect(traced.server.address);
    stream.write_all(&b"*1\r\n$4\r\nPING\r\n".repeat(100)).unwrap();
    let mut answer = vec![0; 700];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, b"+PONG\r\n".repeat(100));
    let calls = traced.finish();
    let sends: Vec<_> = calls.iter().filter(|call| name_of(call) != "execve" && call.contains("PONG")).collect();
    assert_eq!(sends.len(), 1, "{sends:?}");
}

#[test]
fn bad_input_gets_an_error_and_an_end_and_costs_the_server_little() {
    let server = Server::example("resp_server");
    let many = [b"*1000000000\r\n".to_vec(), b"$0\r\n\r\n".repeat(200_000)].concat();
    let long = vec![b'x'; 1 << 20];
    let deep = b"*1\r\n".repeat(100_000);
    for (input, words) in [
        (&b"*1\r\n:1\r\n"[..], "a command is an array of bulk strings"),
        (b"*-1\r\n", "a command is an array of bulk strings"),
        (b"*-7\r\n", "invalid multibulk length"),
        (b"*x\r\n", "invalid multibulk length"),
        (b"*1\r\n$-7\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        (b"*1\r\n$18446744073709551615\r\n", "too big a message"),
        (b"*1\r\n$5000000\r\n", "too big a message"),
        (b"*1\r\n$3\r\nabcdef\r\n", "a bulk string is not as long as it says"),
        (b"*1\r\nx\r\n", "unknown type"),
        (b"*1\r\n\r\n", "a line without a type"),
        (b"\xff\xfe\r\n", "a line is not UTF-8"),
        (&many, "too big a message"),
        (&deep, "arrays too deep in each other"),
        (&long, "too big a line"),
    ] {
        let answer = last_words(server.address, input, false);
        let shown = String::from_utf8_lossy(&input[..input.len().min(20)]);
        assert_eq!(answer, format!("-ERR Protocol error: {words}\r\n"), "{shown:?}");
    }
    for cut in ["*2\r\n$3\r\nGET", "*2\r\n", "*", "PING"] {
        assert_eq!(last_words(server.address, cut.as_bytes(), true), "", "{cut:?}");
    }
    let peak = server.peak_memory();
    assert!(peak < 48 << 10, "{peak} KiB");
    assert_eq!(last_words(server.address, b"PING\r\n", true), "+PONG\r\n");
}

#[test]
fn the_client_and_the_server_understand_each_other() {
    let server = Server::example("resp_server");
    let commands = ["SET", "k", "a \"b\"\r\n", "--", "GET", "k", "--", "GET", "x", "--", "DEL", "k", "--", "NO"];
    let (success, lines, errors) = client(&server.address.to_string(), &commands);
    let expected = ["OK", r#""a \"b\"\r\n""#, "(nil)", "(integer) 1", r#"(error) ERR unknown command "NO""#];
    assert_eq!(lines, expected, "{errors}");
    assert_eq!((success, errors.as_str()), (true, ""));
}

#[test]
fn the_client_says_in_one_line_what_is_wrong_with_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answers: [(&[u8], &[&str], &str); 5] = [
        (
            b"*3\r\n*2\r\n+x\r\n:-1\r\n$-1\r\n*0\r\n",
            &["1) 1) x", "   2) (integer) -1", "2) (nil)", "3) (empty array)"],
            "",
        ),
        (b"?\r\n", &[], "Protocol error: unknown type"),
        (b":1x\r\n", &[], "Protocol error: invalid integer"),
        (b"$5\r\nab", &[], "2 bytes read on a total of 7 expected bytes"),
        (b"", &[], "the server closed the connection without an answer"),
    ];
    let answering = thread::spawn(move || {
        for (answer, ..) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 14];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(&asked, b"*1\r\n$4\r\nPING\r\n");
            stream.write_all(answer).unwrap();
        }
    });
    for (answer, expected, words) in answers {
        let (success, lines, errors) = client(&address, &["PING"]);
        assert_eq!(lines, expected, "{answer:?} {errors}");
        assert_eq!(success, words.is_empty(), "{errors}");
        assert!(errors.contains(words) && errors.lines().count() == usize::from(!success), "{answer:?}: {errors}");
    }
    answering.join().expect("the client has asked each time");
    let usage = "usage: resp_client ADDR COMMAND [ARGUMENT]... [-- COMMAND [ARGUMENT]...]...\n";
    assert_eq!(client(&address, &["PING", "--"]), (false, vec![], usage.to_owned()));
}
