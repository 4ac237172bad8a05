//! How many system calls a request costs, counted by strace.
//!
//! The whole server is traced, all threads and all system calls. The tests count in a window of the log: from the last
//! line with a text that only a warm-up message has, to the last line with a text that only the last message has. So
//! neither the start of the program nor its end is counted, but everything in between is, including calls that no one
//! expected. If many clients must be ready at once, the server is stopped while they send: otherwise the scheduler
//! would decide how much one poll finds. The figures are the same in debug and release builds, except for a check that
//! the standard library of debug builds makes before it closes a descriptor.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;

use crate::common::arrived::until_arrived;
use crate::common::close_unread::close_unread;
use crate::common::processes::PATIENCE;
use crate::servers::example;
use crate::strace::{Counts, Traced, name_of, under_strace};

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.set_nodelay(true).expect("it can be set");
    stream
}

fn send(mut stream: &TcpStream, message: &[u8]) {
    stream.write_all(message).expect("the server reads");
}

fn expect(mut stream: &TcpStream, message: &[u8]) {
    let mut answer = vec![0; message.len()];
    stream.read_exact(&mut answer).expect("the server answers");
    assert!(answer == message, "the answer is the question");
}

fn exchange(stream: &TcpStream, message: &[u8]) {
    send(stream, message);
    expect(stream, message);
}

/// 64 bytes that begin with `text`.
fn request(text: &str) -> Vec<u8> {
    format!("{text:.<64}").into_bytes()
}

#[test]
fn a_request_and_its_reply_on_an_idle_loop_are_three_system_calls() {
    for program in ["echo_streams", "echo_protocol"] {
        let traced = Traced::start(&format!("idle_{program}"), program, &[]);
        let stream = connect(traced.server.address);
        exchange(&stream, &request("warm-up"));
        for _ in 0..99 {
            exchange(&stream, &request("ordinary"));
        }
        exchange(&stream, &request("last"));

        let counts = Counts::between(&traced.finish(), "\"warm-up", "\"last");
        counts.per(&format!("request to {program} on an idle loop"), 100);
        assert_eq!(["epoll_wait", "recvfrom", "sendto"].map(|name| counts.of(name)), [100; 3], "{counts:?}");
        assert_eq!(counts.total(), 300, "{counts:?}");
    }
}

#[test]
fn fifty_busy_connections_cost_hardly_more_than_a_receive_and_a_send_per_message() {
    const CONNECTIONS: usize = 50;
    const ROUNDS: usize = 20;
    for program in ["echo_streams", "echo_protocol"] {
        let traced = Traced::start(&format!("busy_{program}"), program, &[]);
        let streams: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(traced.server.address)).collect();
        for stream in &streams {
            exchange(stream, &request("warm-up"));
        }
        for _ in 0..ROUNDS {
            traced.server.while_stopped(|| streams.iter().for_each(|stream| send(stream, &request("ordinary"))));
            streams.iter().for_each(|stream| expect(stream, &request("ordinary")));
        }

        let counts = Counts::between(&traced.finish(), "\"warm-up", "\"ordinary");
        let messages = CONNECTIONS * ROUNDS;
        let each = counts.per(&format!("message to {program} on fifty connections"), messages);
        assert_eq!(["recvfrom", "sendto"].map(|name| counts.of(name)), [messages; 2], "{counts:?}");
        assert!(each <= 2.1, "{each} for a message: {counts:?}");
    }
}

#[test]
fn lines_that_come_together_are_answered_with_one_send() {
    let traced = Traced::start("lines", "line_server", &[]);
    let stream = connect(traced.server.address);
    exchange(&stream, b"warm-up\n");
    let burst = |name: &str| (0..16).map(|line| format!("{name} {line}\n")).collect::<String>();
    for _ in 0..99 {
        exchange(&stream, burst("ordinary").as_bytes());
    }
    exchange(&stream, burst("last").as_bytes());

    let counts = Counts::between(&traced.finish(), "\"warm-up", "\"last");
    counts.per("burst of 16 lines", 100);
    assert_eq!(["epoll_wait", "recvfrom", "sendto"].map(|name| counts.of(name)), [100; 3], "{counts:?}");
    assert_eq!(counts.total(), 300, "{counts:?}");
}

#[cfg(all(feature = "hyper", feature = "signals", feature = "tls"))]
#[test]
fn a_request_to_hyper_is_three_system_calls_and_so_are_sixteen_that_come_together() {
    let traced = Traced::start("hyper", "http_server", &[]);
    let mut stream = connect(traced.server.address);
    let mut ask = |path: &str, times: usize| {
        send(&stream, format!("GET /{path} HTTP/1.1\r\nhost: test\r\n\r\n").repeat(times).as_bytes());
        let (mut answers, mut piece) = (Vec::new(), [0; 4096]);
        while answers.windows(7).filter(|end| end == b"of all\n").count() < times {
            let n = stream.read(&mut piece).expect("the server answers");
            assert!(n > 0, "the server keeps the connection");
            answers.extend_from_slice(&piece[..n]);
        }
    };
    ask("warm-up", 1);
    for round in 0..100 {
        ask("ordinary", if round % 2 == 0 { 1 } else { 16 });
    }
    ask("last", 1);

    let counts = Counts::between(&traced.finish(), "\"GET /warm-up", "\"GET /last");
    counts.per("burst of 1 or 16 requests to hyper", 101);
    assert_eq!(["epoll_wait", "recvfrom"].map(|name| counts.of(name)), [101; 2], "{counts:?}");
    assert_eq!(counts.of("sendto") + counts.of("sendmsg"), 101, "{counts:?}");
    assert_eq!(counts.total(), 303, "{counts:?}");
}

#[test]
fn the_life_of_a_connection_is_seven_system_calls_and_its_share_of_the_waits() {
    const TOGETHER: usize = 100;
    const ROUNDS: usize = 3;
    for program in ["echo_streams", "echo_protocol"] {
        let traced = Traced::start(&format!("life_{program}"), program, &[]);
        exchange(&connect(traced.server.address), &request("warm-up"));
        for _ in 0..ROUNDS {
            let mut streams = Vec::new();
            traced.server.while_stopped(|| {
                streams.extend((0..TOGETHER).map(|_| connect(traced.server.address)));
                streams.iter().for_each(|stream| send(stream, &request("ordinary")));
            });
            streams.iter().for_each(|stream| expect(stream, &request("ordinary")));
            traced.server.while_stopped(|| {
                streams.iter().for_each(|stream| stream.shutdown(Shutdown::Write).expect("it is open"));
            });
            for mut stream in streams {
                assert_eq!(stream.read_to_end(&mut Vec::new()).expect("the server ends the stream"), 0);
            }
        }
        exchange(&connect(traced.server.address), &request("last"));

        // The window has the end of the first connection and the beginning of the last one, which make up one more.
        let lives = TOGETHER * ROUNDS + 1;
        let counts = Counts::between(&traced.finish(), "\"warm-up", "\"last");
        let each = counts.per(&format!("connection to {program}"), lives);
        let once = ["setsockopt", "epoll_ctl", "sendto", "close"];
        assert_eq!(once.map(|name| counts.of(name)), [lives; 4], "{counts:?}");
        assert_eq!(counts.of("recvfrom"), 2 * lives, "the message and the end: {counts:?}");
        assert!(each <= 7.2, "{each} for a connection: {counts:?}");
    }
}

#[test]
fn after_a_failed_send_all_that_came_is_received_and_nothing_more_is_sent() {
    // More than one receive takes, and no more than the kernel's buffers hold.
    const REQUEST: usize = 100_000;
    let traced = Traced::start("failed_send", "echo_protocol", &[]);
    let stream = connect(traced.server.address);
    send(&stream, &request("warm-up"));
    // The echo has arrived and stays unread, so the close will reset the connection.
    stream.peek(&mut [0]).expect("the server answers");
    traced.server.while_stopped(|| {
        send(&stream, &[b'o'; REQUEST]);
        until_arrived(&stream);
        close_unread(stream);
    });
    exchange(&connect(traced.server.address), &request("last"));

    let calls = traced.finish();
    let position = |text: &str| calls.iter().rposition(|call| call.contains(text)).expect("it is in the log");
    let window = &calls[position("\"warm-up") + 1..position("\"last")];
    let of = |name: &str| window.iter().filter(|call| name_of(call) == name).collect::<Vec<_>>();
    let refused = of("sendto").iter().filter(|call| call.contains(" = -1 E")).count();
    assert_eq!((of("sendto").len(), refused), (1, 1), "{window:#?}");
    let result = |call: &&String| call.rsplit(" = ").next().and_then(|count| count.parse::<usize>().ok());
    // The window also contains the receive of the last message.
    let received: usize = of("recvfrom").iter().filter_map(result).sum();
    assert!(received >= REQUEST, "{received} of {REQUEST} bytes were received: {window:#?}");
}

#[test]
fn a_dialled_connection_is_registered_once_with_the_selector() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let (mut strace, log) = under_strace("dialled");
    strace.arg(example("tcp_echo_client")).arg(&address);
    let mut client = strace.stdout(Stdio::null()).spawn().expect("strace can be run");
    let (mut stream, _) = listener.accept().expect("the client connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let mut message = [0; 100];
    let n = stream.read(&mut message).expect("the client says something");
    send(&stream, &message[..n]);
    assert_eq!(stream.read(&mut message).expect("the client ends the stream"), 0);
    drop(stream);
    assert!(client.wait().expect("it ends").success());

    let log = fs::read_to_string(&log).expect("strace has written its log");
    let connected = log.lines().find(|call| call.contains("connect(") && call.contains("EINPROGRESS"));
    let connected = connected.expect("the client connects without waiting");
    let socket = connected.split("connect(").nth(1).and_then(|call| call.split(',').next()).expect("it has a number");
    let of_socket = |call: &&str| call.contains("epoll_ctl(") && call.contains(&format!(", {socket}, "));
    let registered: Vec<&str> = log.lines().filter(of_socket).collect();
    assert!(matches!(registered[..], [once] if once.contains("EPOLL_CTL_ADD")), "{registered:#?}");
}
