//! The STARTTLS client with a mail server, with our own server, and with servers that misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread::{self, JoinHandle};

use crate::common::certificates::Authority;
use crate::common::files::Files;
use crate::common::processes::{PATIENCE, Process};
use crate::servers::{Server, example};

pub(crate) fn client(address: &str, ca: &str) -> (bool, Vec<String>, String) {
    let mut command = Command::new(example("starttls_client"));
    let (status, lines, errors) = Process::start(command.args([address, "--ca", ca])).finish();
    (status.success(), lines, errors)
}

#[test]
fn our_own_server_and_client_talk_in_plain_and_then_in_secret() {
    let (files, authority) = (Files::new("starttls-pair"), Authority::new());
    let identity = authority.sign(&["127.0.0.1"]);
    let (cert, key) = (files.put("cert.pem", &identity.chain), files.put("key.pem", &identity.key));
    let ca = files.put("ca.pem", &authority.pem);
    let mut command = Command::new(example("starttls_server"));
    let server = Server::start(command.args(["127.0.0.1:0", "--cert", &cert, "--key", &key]));
    let (success, lines, errors) = client(&server.address.to_string(), &ca);
    let expected = [
        "EHLO localhost",
        "  waterwheel",
        "  STARTTLS",
        "STARTTLS",
        "  Go ahead",
        "Secured by TLSv1_3",
        "EHLO localhost",
        "  waterwheel, and nobody listens",
        "QUIT",
        "  Goodbye",
    ];
    assert_eq!(lines, expected, "{errors}");
    assert_eq!((success, errors.as_str()), (true, ""));

    // The server has no certificate for this name.
    let (success, lines, errors) = client(&format!("localhost:{}", server.address.port()), &ca);
    assert_eq!((success, lines.last().map(String::as_str)), (false, Some("  Go ahead")));
    assert!(errors.contains("not valid for") && errors.lines().count() == 1, "{errors}");
}

/// The lines of a client, and the byte that followed them.
type Heard = (Vec<String>, Option<u8>);

/// A server that sends `greeting` and then, after each line of the client, the next of `answers`. Then it waits for
/// one more byte, and closes.
fn server(greeting: &'static str, answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let talking = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        (&stream).write_all(greeting.as_bytes()).unwrap();
        let (mut reader, mut heard) = (BufReader::new(&stream), Vec::new());
        for answer in answers {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap() == 0 {
                break;
            }
            heard.push(line.trim_end().to_owned());
            // The client may already be gone.
            let _ = (&stream).write_all(answer.as_bytes());
        }
        let mut next = [0];
        let next = reader.read(&mut next).is_ok_and(|n| n == 1).then_some(next[0]);
        (heard, next)
    });
    (address, talking)
}

#[test]
fn a_server_that_is_not_as_it_should_be_is_not_talked_to_any_further() {
    let files = Files::new("starttls-servers");
    let ca = files.put("ca.pem", &Authority::new().pem);
    let ehlo = "250-mail\r\n250-SIZE 100\r\n250 starttls\r\n";
    let endless = Box::leak("250-more\r\n".repeat(1000).into_boxed_str());
    let greeting = "220-mail\r\n220 ready\r\n";
    let cases: [(&str, Vec<&str>, &str, usize); 8] = [
        (greeting, vec!["250-mail\r\n250 SIZE 100\r\n"], "the server does not offer STARTTLS", 1),
        (greeting, vec!["250 NOSTARTTLS\r\n"], "the server does not offer STARTTLS", 1),
        (greeting, vec![endless], "an answer of the server has no end", 1),
        (greeting, vec!["nonsense\r\n"], "the server says \"nonsense\"", 1),
        (greeting, vec![ehlo, "454 Not now\r\n"], "the server says \"454 Not now\"", 2),
        // Like an attacker who sends answers in plain text, ahead of those that come encrypted.
        (greeting, vec![ehlo, "220 Go\r\n250 INJECTED\r\n"], "were received before TLS was started", 2),
        // After a correct answer the handshake begins, so the cases above are not refused for another reason.
        (greeting, vec![ehlo, "220 Go\r\n"], "closed", 2),
        ("554 No\r\n", vec![], "the server says \"554 No\"", 0),
    ];
    for (greeting, answers, words, expected) in cases {
        let (address, talking) = server(greeting, Vec::leak(answers));
        let (success, _, errors) = client(&address.to_string(), &ca);
        assert!(!success && errors.contains(words) && errors.lines().count() == 1, "{words}: {errors}");
        let (heard, rest) = talking.join().expect("the server heard the client out");
        assert_eq!(heard, ["EHLO localhost", "STARTTLS"][..expected], "{words}");
        assert_eq!(rest, (words == "closed").then_some(0x16), "{words}: {rest:?}");
    }
}
