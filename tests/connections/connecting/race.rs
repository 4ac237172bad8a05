//! Several addresses are raced: the first one to connect wins, and the others leave nothing behind.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use waterwheel::{open_connection, start_server, timeout};

use super::options::{attempts, tell_origin};
use crate::common::alone::run_alone;
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::peers::{BlackHole, Refusing};

/// A server at 127.0.0.1, and an address with the same port at 127.0.0.2 that never answers.
async fn good_and_black_hole() -> (waterwheel::Server, BlackHole, u16) {
    let hole = BlackHole::at("127.0.0.2:0");
    let port = hole.address.port();
    let server = start_server(tell_origin, ("127.0.0.1", port)).await.unwrap();
    (server, hole, port)
}

#[test]
fn a_host_whose_other_family_listens_is_connected_to_in_either_case() {
    run_alone(|| async {
        for host in ["127.0.0.1", "::1"] {
            let server = start_server(tell_origin, (host, 0)).await.unwrap();
            let address = server.local_addrs()[0];
            for delay in [None, Some(Duration::from_millis(1)), Some(Duration::from_secs(60))] {
                let connecting = open_connection(("localhost", address.port())).happy_eyeballs_delay(delay);
                let (_reader, writer) = connecting.await.unwrap();
                assert_eq!(writer.peer_addr(), Some(address));
            }
        }
    });
}

#[test]
fn an_address_that_does_not_answer_holds_nobody_up_and_its_attempt_leaves_nothing() {
    run_alone(|| async {
        let (server, _hole, port) = good_and_black_hole().await;
        // The first connection creates the descriptors that a loop creates only once.
        drop(open_connection(server.local_addrs()[0]).await.unwrap());
        crate::common::until::until("it is gone", || server.connections() == 0).await;
        let before = open_descriptors();
        for _ in 0..20 {
            let hosts = (["127.0.0.2", "127.0.0.1"], port);
            let (mut reader, writer) =
                open_connection(hosts).happy_eyeballs_delay(Some(Duration::from_millis(2))).await.unwrap();
            assert_eq!(writer.peer_addr(), Some(server.local_addrs()[0]));
            // The losing socket is closed by now, not later: only our end and the server's are open.
            reader.readline().await.unwrap();
            assert!(open_descriptors() <= before + 2, "{} over {before}", open_descriptors());
            drop((reader, writer));
            until_descriptors(before).await;
        }
    });
}

#[test]
fn without_a_delay_the_next_address_waits_until_one_has_failed() {
    run_alone(|| async {
        let (server, _hole, port) = good_and_black_hole().await;
        let before = open_descriptors();
        let hosts = ["127.0.0.2", "127.0.0.1"];
        let waiting = open_connection((hosts, port)).happy_eyeballs_delay(None);
        assert!(timeout(Duration::from_millis(20), waiting.into_future()).await.is_err());
        assert_eq!(open_descriptors(), before, "the attempt that was given up is closed");
        assert_eq!(server.connections(), 0, "the second address was not tried");

        let refusing = Refusing::at(&format!("127.0.0.3:{port}"));
        let hosts = ["127.0.0.3", "127.0.0.1"];
        let (_reader, writer) = open_connection((hosts, port)).happy_eyeballs_delay(None).await.unwrap();
        assert_eq!(writer.peer_addr(), Some(server.local_addrs()[0]));
        drop(refusing);
    });
}

#[test]
fn a_failure_starts_the_next_attempt_without_waiting_for_the_delay() {
    run_alone(|| async {
        let server = start_server(tell_origin, "127.0.0.1:0").await.unwrap();
        let port = server.local_addrs()[0].port();
        let refusing: Vec<_> = (2..12).map(|n| Refusing::at(&format!("127.0.0.{n}:{port}"))).collect();
        let hosts = refusing.iter().map(|refusing| refusing.address.ip().to_string());
        let hosts: Vec<_> = hosts.chain(["127.0.0.1".to_owned()]).collect();
        // If it waited for ten delays of an hour, the watchdog would fire.
        let connecting = open_connection((hosts, port)).happy_eyeballs_delay(Some(Duration::from_secs(3600)));
        let (_reader, writer) = connecting.await.unwrap();
        assert_eq!(writer.peer_addr(), Some(server.local_addrs()[0]));
    });
}

#[test]
fn interleave_says_how_many_addresses_of_the_first_family_go_first() {
    run_alone(|| async {
        // All of them refuse, so the error lists them in order.
        let refusing = Refusing::new();
        let port = refusing.address.port();
        let _six = Refusing::at(&format!("[::1]:{port}"));
        let hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"];
        let [one, two, three, six] = hosts.map(|host| SocketAddr::new(host.parse().unwrap(), port));
        for (interleave, delay, expected) in [
            (None, Some(Duration::from_secs(1)), [one, six, two, three]),
            (None, None, [one, two, three, six]),
            (Some(0), Some(Duration::from_secs(1)), [one, two, three, six]),
            (Some(1), None, [one, six, two, three]),
            (Some(2), None, [one, two, six, three]),
            (Some(9), None, [one, two, three, six]),
        ] {
            let mut connecting = open_connection((hosts, port)).happy_eyeballs_delay(delay);
            if let Some(first) = interleave {
                connecting = connecting.interleave(first);
            }
            let error = connecting.await.unwrap_err();
            assert_eq!(attempts(&error), expected.map(|address| (address, ErrorKind::ConnectionRefused)));
        }
    });
}

#[test]
fn a_race_that_nobody_wins_or_ends_takes_no_processor_time() {
    run_alone(|| async {
        let holes = [BlackHole::new(), BlackHole::at("127.0.0.2:0")];
        let before = open_descriptors();
        for hole in &holes {
            let attempt = open_connection(hole.address).happy_eyeballs_delay(Some(Duration::ZERO));
            let start = Instant::now();
            assert!(timeout(Duration::from_millis(10), attempt.into_future()).await.is_err());
            assert!(start.elapsed() >= Duration::from_millis(10), "a timer never fires early");
        }
        assert_eq!(open_descriptors(), before);
    });
}
