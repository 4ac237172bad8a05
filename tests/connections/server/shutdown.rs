//! `Server::shutdown` always ends, whatever the clients do, and reports how.
//!
//! How soon it ends is counted in turns of the loop, by a task that only counts them, and not measured in time.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{
    Server, ShutdownReport, StreamReader, StreamWriter, open_connection, sleep, spawn, start_server, yield_now,
};

use crate::clock::with_clock;
use crate::common::alone::run_alone;
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::peers::plain_client;
use crate::common::until::until;

/// More than the kernel takes for a client that reads nothing.
const MUCH: usize = 32 * 1024 * 1024;

/// The turns that a shutdown may take after its grace period.
const A_FEW: usize = 8;

/// Writes a lot, and then waits for the client.
async fn write_much(mut reader: StreamReader, writer: StreamWriter) {
    writer.write(&vec![b'm'; MUCH]);
    let _ = reader.read_to_end().await;
    drop(writer);
}

/// Reads until the client has ended its side.
async fn read_all(mut reader: StreamReader, _writer: StreamWriter) {
    while reader.read(64 * 1024).await.is_ok_and(|data| !data.is_empty()) {}
}

async fn start<M>(handler: impl waterwheel::ClientConnected<M>) -> Server {
    start_server(handler, "127.0.0.1:0").await.unwrap()
}

/// Connects clients, and waits until the server has accepted them.
async fn connect_plain(server: &Server, count: usize) -> Vec<TcpStream> {
    let before = server.connections();
    let clients = (0..count).map(|_| plain_client(server.local_addrs()[0])).collect();
    until("the clients are accepted", || server.connections() == before + count).await;
    clients
}

/// The outcomes of the connections: finished, closed and aborted.
pub(super) fn counts(report: ShutdownReport) -> (usize, usize, usize) {
    (report.finished, report.closed, report.aborted)
}

/// Shuts down, and returns the outcomes of the connections (finished, closed, aborted) and the number of turns it
/// took.
async fn shut_down(server: &Server, grace: Duration) -> ((usize, usize, usize), usize) {
    let turns = Rc::new(Cell::new(0));
    let counted = Rc::clone(&turns);
    let counter = spawn(async move {
        loop {
            yield_now().await;
            counted.set(counted.get() + 1);
        }
    });
    let report = server.shutdown(grace).await;
    counter.cancel();
    assert_eq!(server.connections(), 0);
    assert!(!server.is_serving());
    (counts(report), turns.get())
}

#[test]
fn clients_that_read_nothing_are_aborted() {
    run_alone(|| async {
        let server = start(write_much).await;
        let before = open_descriptors();
        let clients = connect_plain(&server, 5).await;
        // By then the handlers have written more than the clients take, so there are unsent bytes.
        sleep(Duration::from_millis(5)).await;
        let (report, turns) = shut_down(&server, Duration::ZERO).await;
        assert_eq!(report, (0, 0, 5));
        assert!(turns <= A_FEW, "{turns} turns");
        drop(clients);
        until_descriptors(before - 1).await;
    });
}

#[test]
fn idle_clients_that_never_close_are_closed() {
    run_alone(|| async {
        let server = start(read_all).await;
        let mut clients = connect_plain(&server, 5).await;
        let (report, turns) = shut_down(&server, Duration::ZERO).await;
        assert_eq!(report, (0, 5, 0));
        assert!(turns <= A_FEW, "{turns} turns");
        for client in &mut clients {
            assert_eq!(client.read_to_end(&mut Vec::new()).unwrap(), 0, "the end, not a reset");
        }
    });
}

#[test]
fn clients_that_flood_are_closed_while_they_do() {
    run_alone(|| async {
        let server = start(read_all).await;
        let clients = connect_plain(&server, 3).await;
        let floods: Vec<_> = clients
            .into_iter()
            .map(|mut client| {
                std::thread::spawn(move || {
                    let mut sent = 0_usize;
                    // A limit, above what a lingering connection takes.
                    while sent < 256 * 1024 * 1024 {
                        match client.write(&[b'f'; 16 * 1024]) {
                            Ok(n) => sent += n,
                            Err(_) => return true,
                        }
                    }
                    false
                })
            })
            .collect();
        sleep(Duration::from_millis(5)).await;
        let (report, turns) = shut_down(&server, Duration::from_millis(2)).await;
        assert_eq!(report, (0, 3, 0));
        // During the grace period each receive has a turn of its own, so the only limit is that the shutdown ends.
        assert!(turns > 0);
        until("the floods were stopped", || floods.iter().all(|flood| flood.is_finished())).await;
        assert!(floods.into_iter().all(|flood| flood.join().unwrap()), "each was cut off");
    });
}

#[test]
fn clients_that_end_only_their_side_are_closed_or_aborted_by_what_is_left_to_send() {
    run_alone(|| async {
        /// Writes what the client asks for, and keeps the connection although the client has ended its side.
        async fn answer(mut reader: StreamReader, writer: StreamWriter) {
            let wanted = reader.read_to_end().await.unwrap_or_default();
            writer.write(&vec![b'a'; if wanted == b"much" { MUCH } else { 6 }]);
            std::future::pending::<()>().await;
        }
        let server = start(answer).await;
        let mut clients = Vec::new();
        for (text, count) in [("much", 2), ("some", 3)] {
            for mut client in connect_plain(&server, count).await {
                client.write_all(text.as_bytes()).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
                clients.push(client);
            }
        }
        sleep(Duration::from_millis(5)).await;
        let (report, turns) = shut_down(&server, Duration::ZERO).await;
        assert_eq!(report, (0, 3, 2));
        assert!(turns <= A_FEW, "{turns} turns");
        for mut client in clients.split_off(2) {
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, b"aaaaaa");
        }
    });
}

#[test]
fn clients_that_end_within_the_grace_have_finished_and_it_is_not_waited_out() {
    with_clock(|clock| async move {
        let server = start(read_all).await;
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(open_connection(server.local_addrs()[0]).await.unwrap());
        }
        while server.connections() < 4 {
            yield_now().await;
        }
        let start_of_four = clock.elapsed();
        for (second, client) in clients.into_iter().enumerate() {
            drop(spawn(async move {
                sleep(Duration::from_secs(10 * (1 + second as u64))).await;
                drop(client);
            }));
        }
        // The first two clients leave after 10 and 20 seconds; the others are closed after 25.
        let report = server.shutdown(Duration::from_secs(25)).await;
        assert_eq!(counts(report), (2, 2, 0));
        assert_eq!((clock.elapsed() - start_of_four).as_secs(), 25);

        let server = start(read_all).await;
        let client = open_connection(server.local_addrs()[0]).await.unwrap();
        while server.connections() < 1 {
            yield_now().await;
        }
        let start_of_one = clock.elapsed();
        drop(spawn(async move {
            sleep(Duration::from_secs(10)).await;
            drop(client);
        }));
        let report = server.shutdown(Duration::from_secs(3600)).await;
        assert_eq!(report.finished, 1);
        let elapsed = clock.elapsed() - start_of_one;
        assert!(elapsed < Duration::from_secs(3600), "{elapsed:?}");
    });
}

#[test]
fn without_clients_it_ends_at_once_whatever_the_grace() {
    run_alone(|| async {
        for grace in [Duration::ZERO, Duration::from_secs(3600), Duration::MAX] {
            let server = start(read_all).await;
            let (report, turns) = shut_down(&server, grace).await;
            assert_eq!(report, (0, 0, 0));
            assert!(turns <= A_FEW, "{turns} turns");
        }
    });
}

#[test]
fn called_twice_at_once_or_in_turn_it_ends_both_times() {
    run_alone(|| async {
        let server = Rc::new(start(write_much).await);
        let clients = connect_plain(&server, 2).await;
        let other = Rc::clone(&server);
        let patient = spawn(async move { other.shutdown(Duration::from_secs(3600)).await });
        yield_now().await;
        let (hasty, _) = shut_down(&server, Duration::ZERO).await;
        assert_eq!(hasty, (0, 0, 2));
        // From the patient call's point of view, the connections finished by themselves.
        let patient = patient.await.unwrap();
        assert_eq!(counts(patient), (2, 0, 0));
        assert_eq!(shut_down(&server, Duration::ZERO).await.0, (0, 0, 0));
        drop(clients);
    });
}

#[test]
fn dropped_while_it_waits_it_leaves_the_connections_and_may_be_called_again() {
    run_alone(|| async {
        let server = start(read_all).await;
        let clients = connect_plain(&server, 2).await;
        let waiting = waterwheel::timeout(Duration::from_millis(1), server.shutdown(Duration::from_secs(3600)));
        assert!(waiting.await.is_err());
        assert_eq!((server.is_serving(), server.connections()), (false, 2));
        assert_eq!(shut_down(&server, Duration::ZERO).await.0, (0, 2, 0));
        drop(clients);
    });
}

#[test]
fn connections_that_wait_in_the_kernel_are_not_served_any_more() {
    run_alone(|| async {
        let served = Rc::new(Cell::new(0));
        let count = Rc::clone(&served);
        let server = start(move |_reader, _writer| count.set(count.get() + 1)).await;
        let before = open_descriptors();
        let mut clients: Vec<_> = (0..5).map(|_| plain_client(server.local_addrs()[0])).collect();
        let (report, _) = shut_down(&server, Duration::ZERO).await;
        assert_eq!((report, served.get()), ((0, 0, 0), 0));
        for client in &mut clients {
            assert!(!matches!(client.read(&mut [0; 8]), Ok(1..)));
        }
        drop(clients);
        until_descriptors(before - 1).await;
    });
}
