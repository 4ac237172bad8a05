//! A connection attempt that is dropped at any moment leaves nothing behind.

use std::future::poll_fn;
use std::net::TcpListener;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use waterwheel::{EventLoop, open_connection, spawn, start_server};

use super::options::tell_origin;
use crate::common::alone::{alone, run_alone};
use crate::common::descriptors::{open_descriptors, until_descriptors};
use crate::common::peers::BlackHole;

/// Polls a future at most this many times and drops it. Returns whether it was ready by then.
async fn drop_after<F: Future>(polls: usize, future: F) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn dropped_after_any_number_of_polls_it_gives_back_its_descriptor() {
    run_alone(|| async {
        let server = start_server(tell_origin, "127.0.0.1:0").await.unwrap();
        let address = server.local_addrs()[0];
        let before = open_descriptors();
        let mut done = 0;
        let mut given_up = 0;
        for polls in (0..8).cycle().take(80) {
            if drop_after(polls, open_connection(address).into_future()).await {
                done += 1;
            } else {
                given_up += 1;
            }
            until_descriptors(before).await;
        }
        assert!(done >= 10 && given_up >= 20, "{done} were done, {given_up} given up");
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn dropped_while_nobody_answers_it_gives_back_its_descriptor_at_once() {
    run_alone(|| async {
        let hole = BlackHole::new();
        let before = open_descriptors();
        for polls in [1, 1, 1] {
            assert!(!drop_after(polls, open_connection(hole.address).into_future()).await);
            assert_eq!(open_descriptors(), before);
        }
        let tasks: Vec<_> = (0..50).map(|_| spawn(open_connection(hole.address).into_future())).collect();
        waterwheel::sleep(Duration::from_millis(2)).await;
        assert_eq!(open_descriptors(), before + 50);
        for task in &tasks {
            task.cancel();
        }
        for task in tasks {
            assert!(task.await.unwrap_err().is_cancelled());
        }
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn a_loop_that_is_dropped_closes_attempts_that_are_under_way() {
    alone(|| {
        let hole = BlackHole::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let before = open_descriptors();
        let mut event_loop = EventLoop::new().unwrap();
        event_loop.run(async {
            for address in [hole.address, listener.local_addr().unwrap()].repeat(10) {
                drop(spawn(open_connection(address).into_future()));
            }
            waterwheel::yield_now().await;
            assert!(open_descriptors() >= before + 20);
        });
        drop(event_loop);
        assert_eq!(open_descriptors(), before);
    });
}

#[test]
fn after_its_loop_is_gone_a_handle_connects_to_nothing() {
    alone(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gone = EventLoop::new().unwrap().handle();
        let before = open_descriptors();
        waterwheel::run(async {
            struct Never;
            impl waterwheel::Protocol for Never {}
            let connecting = gone.create_connection(|| std::rc::Rc::new(Never), address);
            let error = connecting.await.err().unwrap();
            assert!(error.to_string().contains("the event loop is closed"), "{error}");
        });
        assert_eq!(open_descriptors(), before);
    });
}
