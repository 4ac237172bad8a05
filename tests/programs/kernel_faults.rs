//! System calls that rarely fail, made to fail often: strace injects the errors and counts them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::{fs, thread};

use crate::common::processes::{PATIENCE, Process};
use crate::servers::example;
use crate::strace::{Traced, injected, name_of, under_strace};

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// Sends `data` and the end of the stream, while reading everything that comes back.
fn echo_of(stream: TcpStream, data: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&stream).write_all(data).expect("the server reads");
            stream.shutdown(Shutdown::Write).expect("our side is open");
        });
        (&stream).read_to_end(&mut answer).expect("the server ends the stream in an orderly way");
    });
    // One more receive shows whether the end was final.
    assert_eq!((&stream).read_to_end(&mut answer).expect("it stays at its end"), 0);
    answer
}

#[test]
fn a_connection_that_fails_before_it_is_accepted_takes_no_other_with_it() {
    for (error, program) in [("ECONNABORTED", "echo_streams"), ("EPROTO", "echo_protocol")] {
        // Makes the first accept fail, the third, the fifth, and so on.
        let inject = format!("inject=accept4:error={error}:when=1+2");
        let traced = Traced::start(&format!("accept_{error}"), program, &["-e", "trace=execve,accept4", "-e", &inject]);
        let streams: Vec<TcpStream> = (0..40).map(|_| connect(traced.server.address)).collect();
        for (number, stream) in streams.into_iter().enumerate() {
            let message = format!("number {number}");
            assert_eq!(echo_of(stream, message.as_bytes()), message.as_bytes(), "{error}");
        }
        let complaints = traced.server.process.errors();
        assert!(!complaints.contains("A server cannot accept"), "nothing is short: {complaints}");

        let calls = traced.finish();
        let accepted = calls.iter().filter(|call| name_of(call) == "accept4" && !call.contains(" = -1 ")).count();
        assert_eq!(accepted, 40, "{error}");
        // Every other call failed, so there are at least as many failures as successes.
        let failed = injected(&calls, "accept4");
        assert!(failed >= 40, "{error} was injected only {failed} times");
    }
}

#[test]
fn interrupted_system_calls_are_made_again_and_nothing_is_lost() {
    for program in ["echo_streams", "echo_protocol"] {
        let name = format!("interrupted_{program}");
        let calls = "trace=execve,epoll_wait,recvfrom,sendto,sendmsg";
        let inject = ["epoll_wait", "recvfrom", "sendto", "sendmsg"];
        let inject = inject.map(|call| format!("inject={call}:error=EINTR:when=1+2"));
        let options: Vec<&str> = std::iter::once(calls).chain(inject.iter().map(String::as_str)).collect();
        let options: Vec<&str> = options.iter().flat_map(|&option| ["-e", option]).collect();
        let traced = Traced::start(&name, program, &options);

        let data: Vec<u8> = (0..250_000_u32).flat_map(u32::to_le_bytes).collect();
        assert!(echo_of(connect(traced.server.address), &data) == data, "{program}");
        let mut stream = connect(traced.server.address);
        for number in 0..50 {
            let message = format!("message {number:02}");
            stream.write_all(message.as_bytes()).expect("the server reads");
            let mut answer = [0; 10];
            stream.read_exact(&mut answer).expect("the server answers");
            assert_eq!(answer, message.as_bytes(), "{program}");
        }
        assert_eq!(traced.server.process.errors(), "", "{program}: nobody is told");

        let calls = traced.finish();
        for name in ["epoll_wait", "recvfrom", "sendto"] {
            let failed = injected(&calls, name);
            assert!(failed >= 50, "EINTR was injected only {failed} times into {name} of {program}");
        }
    }
}

#[test]
fn a_send_that_fails_leaves_what_the_peer_goes_on_to_send() {
    const REST: usize = 1_000_000;
    // With signals, the first send is an empty one, which checks whether the descriptor that wakes the loop is a
    // socket.
    let before = usize::from(cfg!(feature = "signals"));
    for error in ["EPIPE", "ECONNRESET", "ENETUNREACH"] {
        let inject = format!("inject=sendto:error={error}:when={}", before + 2);
        let options = ["-e", "trace=execve,sendto,recvfrom,close", "-e", &inject];
        let traced = Traced::start(&format!("send_{error}"), "echo_protocol", &options);
        let mut stream = connect(traced.server.address);
        stream.write_all(b"first").expect("the server reads");
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).expect("the server answers");
        stream.write_all(b"second").expect("the server reads");
        stream.write_all(&vec![b'r'; REST]).unwrap_or_else(|refused| panic!("{error}: the rest is refused: {refused}"));
        stream.shutdown(Shutdown::Write).expect("our side is open");
        let end = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "{error}: an answer was given up, which is no clean end");

        let calls = traced.finish();
        assert_eq!(injected(&calls, "sendto"), 1, "{error}");
        assert_eq!(
            calls.iter().filter(|call| name_of(call) == "sendto").count(),
            before + 2,
            "{error}: nothing more is sent"
        );
        let received = calls.iter().filter(|call| name_of(call) == "recvfrom");
        let received = received.filter_map(|call| call.rsplit(" = ").next()?.parse::<usize>().ok()).sum::<usize>();
        assert_eq!(received, 11 + REST, "{error}");
    }
}

/// Runs a program that fails because one of its system calls does, and returns its error message.
#[track_caller]
fn complaint(name: &str, program: &[&str], inject: &str) -> String {
    let (mut strace, log) = under_strace(name);
    strace.args(["-e", inject]).arg(example(program[0])).args(&program[1..]);
    let (status, _, errors) = Process::start(&mut strace).finish();
    assert_eq!(status.code(), Some(1), "{inject}: {errors}");
    let text = fs::read_to_string(&log).expect("strace has written its log");
    assert_eq!(text.matches("(INJECTED)").count(), 1, "{inject}");
    errors
}

#[test]
fn a_connect_whose_peer_has_no_name_fails_and_does_not_wait_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let errors = complaint("no_peer_name", &["tcp_echo_client", &address], "inject=getpeername:error=ENOBUFS:when=1");
    assert!(errors.contains("No buffer space available"), "{errors}");
}

#[test]
fn a_server_that_cannot_learn_where_it_listens_does_not_start() {
    // Binding calls `getsockname` twice, and listening calls it once more.
    let errors = complaint("no_name", &["echo_streams", "127.0.0.1:0"], "inject=getsockname:error=ENOBUFS:when=3");
    assert!(errors.contains("No buffer space available"), "{errors}");
}
