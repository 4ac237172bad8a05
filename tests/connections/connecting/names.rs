//! Host names are looked up without blocking the loop, and invalid ones are errors that say so.
//!
//! No test here queries a name server: the system's look-up can answer all of these names by itself.

use std::cell::Cell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{
    EventLoop, Family, LookUpError, LookUpErrorKind, get_running_loop, open_connection, sleep, spawn, start_server,
};

use super::options::tell_origin;
use crate::common::alone::{alone, run_alone};
use crate::common::descriptors::open_descriptors;
use crate::common::until::until;
use crate::worker_threads::worker_threads;

const AI_NUMERICHOST: i32 = 4;

#[test]
fn a_name_that_cannot_be_one_is_refused_without_asking_anyone() {
    run_alone(|| async {
        until("the threads of earlier tests have ended", || worker_threads() == 0).await;
        let longest = "a".repeat(255);
        for (host, expected) in [
            ("127.0.0.1\0.example".to_owned(), "\"127.0.0.1\\0.example\" cannot be the name of a host".to_owned()),
            ("\0".to_owned(), "\"\\0\" cannot be the name of a host".to_owned()),
            (longest.clone() + "a", format!("{:?} cannot be the name of a host", &longest[..40])),
        ] {
            let error = open_connection((host, 80)).await.unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (ErrorKind::InvalidInput, expected));
        }
        assert_eq!(worker_threads(), 0);
        // One byte shorter, the name may be valid.
        let error = open_connection((longest, 80)).flags(AI_NUMERICHOST).await.unwrap_err();
        assert!(error.to_string().contains("was not found: "), "{error}");
        assert_eq!(worker_threads(), 1);
    });
}

#[test]
fn numeric_addresses_and_localhost_start_no_thread() {
    run_alone(|| async {
        until("the threads of earlier tests have ended", || worker_threads() == 0).await;
        let server = start_server(tell_origin, ("localhost", 0)).await.unwrap();
        let port = server.local_addrs()[0].port();
        for host in ["127.0.0.1", "localhost", ""] {
            drop(open_connection((host, port)).await.unwrap());
        }
        drop(open_connection(server.local_addrs()[1]).await.unwrap());
        drop(open_connection(format!("127.0.0.1:{port}")).local_addr(("127.0.0.1", 0)).await.unwrap());
        assert_eq!(worker_threads(), 0);
    });
}

#[test]
fn unknown_names_are_errors_and_the_loop_turns_meanwhile() {
    run_alone(|| async {
        until("the threads of earlier tests have ended", || worker_threads() == 0).await;
        let ticks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&ticks);
        drop(spawn(async move {
            loop {
                sleep(Duration::from_millis(1)).await;
                counted.set(counted.get() + 1);
            }
        }));
        let look_ups: Vec<_> = (0..200)
            .map(|n| spawn(open_connection((format!("host-{n}.invalid"), 80)).flags(AI_NUMERICHOST).into_future()))
            .collect();
        for (n, look_up) in look_ups.into_iter().enumerate() {
            let error = look_up.await.unwrap().unwrap_err();
            let expected = format!("the name \"host-{n}.invalid\" was not found: ");
            assert!(error.to_string().starts_with(&expected), "{error}");
            assert_eq!(error.kind(), ErrorKind::NotFound);
            let inner = LookUpError::of(&error).expect("it is inside");
            assert_eq!((inner.host(), inner.kind()), (&*format!("host-{n}.invalid"), LookUpErrorKind::NoSuchName));
        }
        // A thread that an earlier test had just started may still appear, and will end.
        until("there are threads, but few", || (1..=16).contains(&worker_threads())).await;
        let at_the_end = ticks.get();
        until("the timer ticks", || ticks.get() > at_the_end).await;
    });
}

#[test]
fn the_threads_end_with_their_loop_also_when_look_ups_are_under_way() {
    alone(|| {
        let before = open_descriptors();
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(async {
            for n in 0..100 {
                let look_up = open_connection((format!("host-{n}.invalid"), 80)).flags(AI_NUMERICHOST);
                drop(spawn(look_up.into_future()));
            }
            until("a thread works", || worker_threads() > 0).await;
        });
        drop(event_loop);
        waterwheel::run(until("the threads are gone", || worker_threads() == 0));
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn look_ups_that_were_given_up_hold_up_no_later_one() {
    run_alone(|| async {
        until("the threads of earlier tests have ended", || worker_threads() == 0).await;
        let server = start_server(tell_origin, "127.0.0.1:0").await.unwrap();
        for n in 0..100 {
            let task = spawn(open_connection((format!("host-{n}.invalid"), 80)).flags(AI_NUMERICHOST).into_future());
            waterwheel::yield_now().await;
            task.cancel();
        }
        let (mut reader, _writer) = open_connection(("127.1", server.local_addrs()[0].port())).await.unwrap();
        assert!(reader.readline().await.unwrap().starts_with(b"127.0.0.1:"));
    });
}

#[test]
fn a_scope_of_an_ipv6_address_is_understood_or_an_error() {
    run_alone(|| async {
        until("the threads of earlier tests have ended", || worker_threads() == 0).await;
        for host in ["fe80::1%lo", "fe80::1%1", "[fe80::1%lo]:9", "fe80::1%nosuch", "::1%lo", "fe80::1%"] {
            let connecting = match host.strip_suffix(":9") {
                Some(_) => open_connection(host),
                None => open_connection((host, 9)),
            };
            // No host has this address. If the scope is known, the error must be one of connecting, with the scope;
            // otherwise it must name the host.
            let error = connecting.flags(AI_NUMERICHOST).await.unwrap_err();
            let text = error.to_string();
            let known = text.contains("connect to [fe80::1%1]:9 failed: ");
            let unknown = text.starts_with(&format!("the name {host:?} was not found: "));
            assert!(known || unknown, "{host}: {text}");
            assert_eq!(known, ["fe80::1%lo", "fe80::1%1", "[fe80::1%lo]:9"].contains(&host), "{host}: {text}");
        }
    });
}

#[test]
fn names_and_addresses_are_looked_up_for_the_user() {
    run_alone(|| async {
        let event_loop = get_running_loop();
        let numeric = event_loop.getaddrinfo("::1", 80).await.unwrap();
        assert_eq!(numeric, ["[::1]:80".parse().unwrap()]);
        let local = event_loop.getaddrinfo("localhost", 7).family(Family::V4).await.unwrap();
        assert_eq!(local, ["127.0.0.1:7".parse().unwrap()]);
        let none = event_loop.getaddrinfo("127.0.0.1", 7).family(Family::V6).await.unwrap_err();
        assert_eq!(none.kind(), ErrorKind::AddrNotAvailable);
        // As numbers, so that no name server is queried.
        let numbers = libc::NI_NUMERICHOST | libc::NI_NUMERICSERV;
        let named = event_loop.getnameinfo("127.0.0.1:80".parse().unwrap(), numbers).await.unwrap();
        assert_eq!(named, ("127.0.0.1".to_owned(), "80".to_owned()));
    });
}
