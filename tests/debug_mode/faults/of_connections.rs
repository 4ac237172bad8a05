//! A forgotten drain, a leak of connections, a handler that never ends, a child process that does not end, and a
//! server that does not shut down.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use waterwheel::testing::connected_pair;
use waterwheel::{StreamReader, StreamWriter, get_running_loop, open_connection, spawn, start_server, yield_now};

use super::{place_in, seen};
use crate::common::running::turns;

/// The place, as reports show it, of the line of this file that ends with this comment.
#[track_caller]
fn place(comment: &str) -> String {
    place_in(file!(), include_str!("of_connections.rs"), comment)
}

#[test]
fn a_forgotten_drain_is_reported_with_the_line_that_wrote() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let (ours, theirs) = connected_pair();
            ours.writer.write(&vec![0; 1_000_000]); // no drain
            turns(120).await;
            (ours, theirs)
        },
    );
    seen.is_told(&[
        "A writer stays above its high-water mark and is never drained",
        "\nwritten at: ",
        &place("no drain"),
    ]);
    seen.in_dump(&["ConduitTransport", "reading: Paused"]);
}

#[test]
fn a_leak_of_connections_is_a_count_that_only_grows_and_all_of_them_are_listed() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let leaked: Rc<RefCell<Vec<_>>> = Rc::default();
            let keep = Rc::clone(&leaked);
            // The handler keeps each connection in a list that is never emptied.
            let handler = move |reader: StreamReader, writer: StreamWriter| keep.borrow_mut().push((reader, writer));
            let server = start_server(handler, "127.0.0.1:0").await.unwrap();
            for _ in 0..20 {
                drop(open_connection(server.local_addrs()[0]).await.unwrap());
            }
            while leaked.borrow().len() < 20 {
                yield_now().await;
            }
            turns(5).await;
            (server, leaked)
        },
    );
    assert_eq!((seen.metrics.connections_accepted, seen.metrics.connections_made), (20, 20));
    assert!(seen.metrics.connections_now >= 20, "{:?}", seen.metrics);
    let listed =
        seen.dump.lines().filter(|line| line.contains("ConduitTransport") && line.contains("127.0.0.1")).count();
    assert!(listed >= 20, "{}", seen.dump);
}

#[test]
fn a_handler_that_never_ends_waits_on_its_line_and_names_its_server() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let handler = async |mut reader: StreamReader, _writer: StreamWriter| {
                drop(reader.readexactly(1_000).await); // never comes
            };
            let server = start_server(handler, "127.0.0.1:0").await.unwrap(); // serves
            let client = open_connection(server.local_addrs()[0]).await.unwrap();
            client.1.write(b"less than that");
            while get_running_loop().metrics().bytes_received == 0 {
                yield_now().await;
            }
            turns(3).await;
            (server, client)
        },
    );
    seen.in_dump(&["waits for readexactly 1000 at ", &place("never comes"), "14 bytes unread, peer 127.0.0.1:"]);
    seen.in_dump(&["Task-2, spawned at ", &place("serves")]);
}

#[cfg(feature = "process")]
#[test]
fn a_child_that_does_not_end_is_waited_for_on_a_line() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let mut command = std::process::Command::new("sleep");
            command.arg("600");
            let mut child = waterwheel::create_subprocess_exec(command).unwrap().kill_on_drop();
            let waits = spawn(async move { child.wait().await }).cancel_on_drop(); // child
            turns(3).await;
            waits
        },
    );
    seen.in_dump(&["waits for a child process at ", &place("child")]);
}

#[test]
fn a_server_that_does_not_shut_down_shows_who_waits_and_the_connection_that_it_waits_for() {
    let seen = seen(
        |builder| builder,
        async |_| {
            let server = start_server(async |_reader, _writer| pending::<()>().await, "127.0.0.1:0").await.unwrap();
            let address = server.local_addrs()[0];
            let client = open_connection(address).await.unwrap();
            while server.connections() == 0 {
                yield_now().await;
            }
            server.close();
            let ends = spawn(async move { server.wait_closed().await }); // ends
            turns(5).await;
            (ends, client)
        },
    );
    seen.in_dump(&["waits for wait_closed at ", &place("ends")]);
    seen.in_dump(&["ConduitTransport", "phase: Open"]);
    assert!(seen.dump.contains("waits for something outside of waterwheel"), "the handler: {}", seen.dump);
}
