//! What a flood costs per turn: everything else also gets its share of each turn.

use std::cell::Cell;
use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use crate::common::running::run;
use crate::common::sockets::sockets;
use waterwheel::{EventLoop, LoopHandle, Protocol, Transport};

/// The size of the buffer for one receive.
const RECEIVE: u64 = 65 * 1024;

/// Counts connections and received pieces of data.
#[derive(Default)]
struct Counting {
    made: Rc<Cell<usize>>,
    times: Cell<usize>,
}

impl Protocol for Counting {
    fn connection_made(&self, _transport: Rc<dyn Transport>) {
        self.made.set(self.made.get() + 1);
    }

    fn data_received(&self, _data: &[u8]) {
        self.times.set(self.times.get() + 1);
    }
}

fn turn(event_loop: &mut EventLoop) {
    let _turned = event_loop.turn(Some(Duration::ZERO));
}

/// Connects our socket to the protocol.
fn connect(event_loop: &mut EventLoop, ours: TcpStream, protocol: Rc<Counting>) {
    let handle = event_loop.handle();
    let made = Rc::clone(&protocol.made);
    let task = handle.clone().create_task(async move {
        handle.create_connection(move || protocol, ours).await.expect("it is connected");
    });
    while made.get() == 0 {
        turn(event_loop);
    }
    turn(event_loop);
    assert!(task.is_finished());
}

/// Sends as much as the kernel takes.
fn flood(mut peer: &TcpStream) -> usize {
    let mut sent = 0;
    loop {
        match peer.write(&[b'x'; 64 * 1024]) {
            Ok(n) => sent += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_peer_that_sends_without_end_is_received_from_once_a_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let (ours, peer) = sockets();
    let protocol = Rc::new(Counting::default());
    connect(&mut event_loop, ours, Rc::clone(&protocol));
    let received = |event_loop: &EventLoop| event_loop.handle().metrics().bytes_received;
    let mut rounds = 0;
    for _ in 0..200 {
        flood(&peer);
        let (bytes, times) = (received(&event_loop), protocol.times.get());
        turn(&mut event_loop);
        assert!(protocol.times.get() <= times + 1, "one receive in a turn");
        assert!(received(&event_loop) - bytes <= RECEIVE);
        rounds += protocol.times.get() - times;
    }
    assert!(rounds > 100, "it was received from in {rounds} of 200 turns");
}

#[test]
fn a_connection_on_which_nothing_happens_arms_no_timer_and_takes_no_turn() {
    let mut event_loop = EventLoop::new().unwrap();
    let mut peers = Vec::new();
    for _ in 0..20 {
        let (ours, peer) = sockets();
        connect(&mut event_loop, ours, Rc::default());
        peers.push(peer);
    }
    let handles = |event_loop: &EventLoop| event_loop.handle().metrics().handles;
    turn(&mut event_loop);
    let before = handles(&event_loop);
    for _ in 0..10 {
        turn(&mut event_loop);
        assert!(!event_loop.is_ready());
        assert_eq!(event_loop.next_deadline(), None);
    }
    assert_eq!((handles(&event_loop), event_loop.handle().metrics().connections_now), (before, 20));
}

/// The most connections that one turn has accepted while `clients` waited.
fn most_accepted_in_a_turn(event_loop: &mut EventLoop, backlog: u32, clients: usize) -> u64 {
    let handle = event_loop.handle();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The clients connect before the server starts, so that it finds all of them at once.
    let waiting: Vec<_> = (0..clients).map(|_| TcpStream::connect(address).unwrap()).collect();
    let serving = handle.clone();
    let _task = handle.create_task(async move {
        let server = serving.create_server(|| Rc::new(Counting::default()), listener).backlog(backlog).await.unwrap();
        std::future::pending::<()>().await;
        drop(server);
    });
    let accepted = |handle: &LoopHandle| handle.metrics().connections_accepted;
    let (before, mut most) = (accepted(&handle), 0);
    for _ in 0..1000 {
        let so_far = accepted(&handle);
        turn(event_loop);
        most = most.max(accepted(&handle) - so_far);
        if accepted(&handle) == before + clients as u64 {
            break;
        }
    }
    assert_eq!(accepted(&handle), before + clients as u64, "none is forgotten");
    drop(waiting);
    most
}

#[test]
fn a_turn_accepts_as_many_as_the_backlog_and_one_and_the_rest_come_in_later_ones() {
    let mut event_loop = EventLoop::new().unwrap();
    assert_eq!(most_accepted_in_a_turn(&mut event_loop, 7, 60), 8);
    assert_eq!(most_accepted_in_a_turn(&mut event_loop, 0, 20), 1);
}

#[test]
fn a_peer_that_is_gone_without_a_word_is_looked_for_only_if_the_server_was_told_to() {
    run(async {
        for keep_alive in [false, true] {
            let handle = waterwheel::get_running_loop();
            let server = handle.create_server(|| Rc::new(Counting::default()), "127.0.0.1:0");
            let server = server.keep_alive(keep_alive).await.unwrap();
            let sockets = server.sockets();
            let socket = sockets[0].socket().expect("it is a socket");
            assert_eq!(socket.keepalive().unwrap(), keep_alive, "connections inherit it");
        }
    });
}
