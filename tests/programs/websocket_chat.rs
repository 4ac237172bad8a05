//! The example `websocket_chat`, with clients that are not browsers. The tests in `at_home` use a browser.

use std::io::{Read, Write};
use std::net::TcpStream;

use async_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use crate::common::processes::PATIENCE;
use crate::servers::Server;

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).expect("the chat listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

fn enter(server: &Server, name: &str) -> WebSocket<TcpStream> {
    let (mut web_socket, _) =
        client(format!("ws://{}/chat", server.address), connect(server)).expect("the chat speaks WebSocket");
    web_socket.send(name.into()).expect("the chat reads");
    web_socket
}

#[track_caller]
fn hears(web_socket: &mut WebSocket<TcpStream>, expected: &[&str]) {
    for line in expected {
        assert_eq!(web_socket.read().expect("the chat writes"), Message::text(*line));
    }
}

fn answer_to(server: &Server, request: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server ends the stream in an orderly way");
    answer
}

#[test]
fn what_one_says_over_a_websocket_is_heard_by_all() {
    let server = Server::example("websocket_chat");
    let mut alice = enter(&server, "alice");
    hears(&mut alice, &["* alice enters"]);
    let mut bob = enter(&server, "bob");
    hears(&mut alice, &["* bob enters"]);
    hears(&mut bob, &["* bob enters"]);
    // Three messages that may arrive in one piece, and then a ping.
    for text in ["Grüß Gott", "", "and good bye"] {
        alice.write(text.into()).expect("it is queued");
    }
    alice.send(Message::Ping("?".into())).expect("the chat reads");
    let said = ["alice: Grüß Gott", "alice: ", "alice: and good bye"];
    hears(&mut bob, &said);
    let (pongs, lines): (Vec<_>, Vec<_>) =
        (0..4).map(|_| alice.read().expect("the chat writes")).partition(Message::is_pong);
    assert_eq!((pongs, lines), (vec![Message::Pong("?".into())], said.map(Message::text).to_vec()));
    // One client leaves with the closing handshake; then another one breaks off.
    alice.close(None).expect("the chat reads");
    let end = loop {
        match alice.read() {
            Ok(Message::Close(_) | Message::Text(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert!(matches!(end, Error::ConnectionClosed), "{end}");
    hears(&mut bob, &["* alice leaves"]);
    let carol = enter(&server, "carol");
    hears(&mut bob, &["* carol enters"]);
    drop(carol);
    hears(&mut bob, &["* carol leaves"]);
    assert_eq!(server.process.errors(), "");
}

#[test]
fn a_message_that_is_too_long_ends_its_client_and_no_other() {
    let server = Server::example("websocket_chat");
    let mut bob = enter(&server, "bob");
    hears(&mut bob, &["* bob enters"]);
    let mut alice = enter(&server, "alice");
    hears(&mut bob, &["* alice enters"]);
    alice.send("x".repeat(5_000).into()).expect("the chat reads");
    hears(&mut bob, &["* alice leaves"]);
    bob.send("still here".into()).expect("the chat reads");
    hears(&mut bob, &["bob: still here"]);
}

#[test]
fn the_page_and_what_is_no_websocket_are_answered_in_plain_http() {
    let server = Server::example("websocket_chat");
    let page = answer_to(&server, "GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    let (head, body) = page.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.to_lowercase().contains("content-type: text/html; charset=utf-8"), "{head}");
    assert!(body.starts_with("<!DOCTYPE html>") && body.ends_with("</html>\n"), "{body}");
    for (target, status) in [("/chat", "400"), ("/elsewhere", "404")] {
        let answer = answer_to(&server, &format!("GET {target} HTTP/1.1\r\nHost: here\r\n\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert_eq!(server.process.errors(), "");
}
