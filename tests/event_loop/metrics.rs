//! The metrics of a loop.

use std::future::pending;
use std::net::UdpSocket;
use std::rc::Rc;
use std::time::Duration;

use crate::common::running::run;
use waterwheel::testing::{ManualClock, socket_pair};
use waterwheel::{
    Address, EventLoop, Metrics, get_running_loop, open_connection, sleep, spawn, start_server, timeout, yield_now,
};

const MS: Duration = Duration::from_millis(1);

fn metrics() -> Metrics {
    get_running_loop().metrics()
}

#[test]
fn a_yield_is_a_turn_a_wake_a_step_and_a_look() {
    run(async {
        let before = metrics();
        for _ in 0..10 {
            yield_now().await;
        }
        let after = metrics();
        let rose = [
            after.turns - before.turns,
            after.handles - before.handles,
            after.looks - before.looks,
            after.wakes - before.wakes,
            after.steps - before.steps,
        ];
        assert_eq!(rose, [10; 5]);
        assert_eq!((after.ready_now, after.letters), (0, 0));
    });
}

#[test]
fn a_task_that_is_woken_twice_in_a_turn_was_woken_once_and_its_first_step_without_a_wake() {
    run(async {
        let before = metrics();
        let task = spawn(async { yield_now().await });
        assert_eq!((metrics().tasks_now, metrics().ready_now), (before.tasks_now + 1, 1));
        let ended_early = spawn(pending::<()>());
        ended_early.cancel();
        task.await.expect("it ends well");
        let after = metrics();
        assert_eq!(after.tasks_spawned - before.tasks_spawned, 2);
        // The task's own yield, and the wake of this task at its end. The cancelled task was already queued.
        assert_eq!(after.wakes - before.wakes, 2);
        // Two steps of the task, the one that ended the cancelled task, and one of this task.
        assert_eq!(after.steps - before.steps, 4);
        assert_eq!(after.tasks_now, before.tasks_now);
    });
}

#[test]
fn calls_of_another_thread_are_letters() {
    run(async {
        let remote = get_running_loop().remote();
        let before = metrics();
        let thread = std::thread::spawn(move || (0..5).for_each(|_| assert!(remote.call_soon(|| ()))));
        while metrics().letters < before.letters + 5 {
            yield_now().await;
        }
        thread.join().expect("it does not panic");
        assert_eq!(metrics().letters - before.letters, 5);
    });
}

#[test]
fn timers_are_armed_and_fire_or_are_cancelled() {
    run(async {
        // The time limit of this test is armed after its first step.
        yield_now().await;
        let before = metrics();
        sleep(MS).await;
        timeout(Duration::from_secs(3600), yield_now()).await.expect("it is in time");
        let handle = get_running_loop().call_later(Duration::from_secs(3600), || ());
        let armed = metrics();
        handle.cancel();
        let after = metrics();
        assert_eq!(after.timers_fired - before.timers_fired, 1);
        assert_eq!(after.timers_cancelled - before.timers_cancelled, 2);
        assert_eq!((armed.timers_now - before.timers_now, after.timers_now), (1, before.timers_now));
    });
}

#[test]
fn bytes_and_connections_of_both_ends_are_counted_until_they_are_lost() {
    run(async {
        let before = metrics();
        let echo = |mut reader: waterwheel::StreamReader, writer: waterwheel::StreamWriter| async move {
            let data = reader.read_to_end().await.expect("the client ends its side");
            // More than the kernel takes at once, so the bytes are sent in several ways: at once, gathered, and in
            // pieces.
            for piece in data.chunks(10_000) {
                writer.write(piece);
            }
            writer.drain().await.expect("the client reads");
        };
        let server = start_server(echo, "127.0.0.1:0").await.expect("there is a port");
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.expect("it listens");
        let data = vec![b'x'; 3_000_000];
        let sending = async {
            writer.write_all(&data).await.expect("the server reads");
            writer.write_eof();
        };
        let receiving = async { reader.read_to_end().await.expect("the server answers").len() };
        assert_eq!(futures::future::join(sending, receiving).await.1, data.len());
        let open = metrics();
        assert_eq!(open.bytes_sent - before.bytes_sent, 6_000_000);
        assert_eq!(open.bytes_received - before.bytes_received, 6_000_000);
        assert_eq!(open.connections_accepted - before.connections_accepted, 1);
        assert_eq!(open.connections_made - before.connections_made, 1);
        drop((reader, writer));
        server.close();
        server.wait_closed().await;
        while metrics().connections_now > before.connections_now {
            yield_now().await;
        }
        assert_eq!(metrics().connections_made - before.connections_made, 1);
    });
}

#[test]
fn datagrams_count_with_their_bytes() {
    struct Silent;
    impl waterwheel::DatagramProtocol for Silent {}

    run(async {
        let (transport, _) = get_running_loop()
            .create_datagram_endpoint(|| Rc::new(Silent))
            .local_addr("127.0.0.1:0")
            .await
            .expect("a socket");
        let peer = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let own = transport.extra_info().sockname().and_then(Address::as_inet).expect("it is bound");
        let before = metrics();
        peer.send_to(b"hello", own).expect("it is bound");
        while metrics().bytes_received < before.bytes_received + 5 {
            yield_now().await;
        }
        transport.sendto(b"hi", Some(&peer.local_addr().expect("it is bound").into())).expect("it is open");
        assert_eq!(metrics().bytes_sent - before.bytes_sent, 2);
    });
}

#[test]
fn what_is_written_between_two_runs_counts_at_its_own_loop() {
    let mut one = EventLoop::new().expect("there are descriptors");
    let mut other = EventLoop::new().expect("there are descriptors");
    let (ours, theirs) = one.run(async { socket_pair() }).expect("there are descriptors");
    ours.writer.write(b"gathered");
    ours.writer.write(&vec![b'x'; 100_000]);
    other.run(yield_now());
    let sent = one.handle().metrics().bytes_sent;
    assert!(sent >= 8, "{sent}");
    assert_eq!(other.handle().metrics().bytes_sent, 0);
    drop((ours, theirs));
}

#[test]
fn the_longest_step_and_the_longest_wait_are_exact_where_one_handle_runs_alone_between_two_timers() {
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().expect("there are descriptors");
    event_loop.run(async {
        sleep(MS).await;
        clock.advance(70 * MS);
        sleep(MS).await;
        assert_eq!((metrics().longest_step, metrics().longest_wait), (70 * MS, 70 * MS));
        // Three tasks in one batch: only the time for all of them is known.
        let slow = || {
            spawn({
                let clock = Rc::clone(&clock);
                async move { clock.advance(100 * MS) }
            })
        };
        let _slow = (slow(), slow(), slow());
        sleep(MS).await;
        assert_eq!(metrics().longest_wait, 300 * MS);
        assert!((70 * MS..=100 * MS).contains(&metrics().longest_step), "{:?}", metrics().longest_step);
        // A wait is not a step.
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(metrics().longest_wait, 300 * MS);
    });
}

#[test]
fn time_between_two_runs_is_no_step() {
    let clock = Rc::new(ManualClock::new());
    let mut event_loop = EventLoop::builder().clock(clock.clone()).build().expect("there are descriptors");
    event_loop.run(sleep(MS));
    clock.advance(Duration::from_secs(3600));
    event_loop.run(sleep(MS));
    assert_eq!(event_loop.handle().metrics().longest_wait, Duration::ZERO);
}
