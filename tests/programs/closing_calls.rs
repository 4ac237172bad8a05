//! What the end of a connection costs in system calls when our side closes first: if nothing was sent, only a close;
//! otherwise the connection lingers.
//!
//! The servers are tests of this file that run in processes of their own, under strace.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::processes::PATIENCE;
use crate::strace::{Counts, Traced, name_of};
use waterwheel::{ClientConnected, StreamReader, StreamWriter, start_server, timeout};

/// How many clients there are between the first and the last.
const ORDINARY: usize = 100;

/// How many connections the window of the log covers: the ordinary ones, and the end of the first and the beginning of
/// the last, which add up to one more.
const LIVES: usize = ORDINARY + 1;

fn serve<M>(handler: impl ClientConnected<M>) {
    waterwheel::run(async {
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        println!("\nServing on {}", server.local_addrs()[0]);
        // The server is killed long before.
        let _ = timeout(Duration::from_secs(120), server.serve_forever()).await;
    });
}

#[test]
#[ignore = "a server for the tests of this file, which run it under strace"]
fn server_that_drops_the_writer_and_then_the_reader() {
    serve(async |mut reader: StreamReader, writer: StreamWriter| {
        let _ = reader.read(64).await;
        // The order in which they are dropped at the end of every handler.
        drop(writer);
        drop(reader);
    });
}

#[test]
#[ignore = "a server for the tests of this file, which run it under strace"]
fn server_that_drops_the_reader_and_then_the_writer() {
    serve(async |mut reader: StreamReader, writer: StreamWriter| {
        let _ = reader.read(64).await;
        drop(reader);
        drop(writer);
    });
}

#[test]
#[ignore = "a server for the tests of this file, which run it under strace"]
fn server_that_replies_and_closes_first() {
    serve(async |mut reader: StreamReader, writer: StreamWriter| {
        let request = reader.read(64).await.unwrap_or_default();
        writer.write(&request);
    });
}

/// The system calls of a server to which one client after another sends a request, reads to the end and closes.
fn calls_of(server: &str, expected: impl Fn(&str) -> String) -> Vec<String> {
    let program = std::env::current_exe().unwrap();
    let test = format!("closing_calls::{server}");
    let program = [program.to_str().unwrap(), "--exact", &test, "--ignored", "--nocapture"];
    let traced = Traced::command(server, &program, &[]);
    for number in 0..ORDINARY + 2 {
        let text = match number {
            0 => "warm-up",
            n if n <= ORDINARY => "ordinary",
            _ => "last",
        };
        let mut stream = TcpStream::connect(traced.server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("{text:.<64}").as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        assert_eq!(reply, expected(text), "{server}");
    }
    traced.finish()
}

/// The calls for one connection after another, from one accept to the next.
fn lives(calls: &[String]) -> Counts {
    Counts::between(calls, "\"warm-up", "\"last")
}

#[test]
fn both_halves_dropped_in_one_step_with_nothing_sent_are_one_close_and_no_more() {
    let servers =
        ["server_that_drops_the_writer_and_then_the_reader", "server_that_drops_the_reader_and_then_the_writer"];
    for server in servers {
        let counts = lives(&calls_of(server, |_| String::new()));
        let each = counts.per("connection that is closed with nothing sent", LIVES);
        assert_eq!(
            ["close", "epoll_ctl", "setsockopt"].map(|name| counts.of(name)),
            [LIVES; 3],
            "{server}: {counts:?}"
        );
        assert_eq!((counts.of("shutdown"), counts.of("sendto")), (0, 0), "{server}: {counts:?}");
        // An accept and one without a result, two socket options, two waits, the request, the close, and a check for
        // unread input.
        assert!(each <= 9.05, "{server}: {each} for a connection: {counts:?}");
    }
}

#[test]
fn a_reply_before_a_close_costs_the_end_of_our_side_and_one_receive_of_the_peers() {
    let calls = calls_of("server_that_replies_and_closes_first", |text| format!("{text:.<64}"));
    let counts = lives(&calls);
    let each = counts.per("connection that is closed after a reply", LIVES);
    assert_eq!(counts.of("sendto"), LIVES, "{counts:?}");
    // A client's end is seen at the next poll, so the ends of the first and of the last ordinary client may be on
    // either side of the window's limits.
    for name in ["shutdown", "close"] {
        assert!((LIVES - 1..=LIVES + 1).contains(&counts.of(name)), "each lingers and is closed: {name}, {counts:?}");
    }
    // As with nothing sent, and in addition: the reply, the end of our side, the wait for the peer's end, and its
    // receive.
    assert!(each <= 13.05, "{each} for a connection: {counts:?}");
    let refused = calls.iter().find(|call| name_of(call) == "shutdown" && call.contains(" = -1 "));
    assert_eq!(refused, None);
}
