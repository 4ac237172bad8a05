//! Builders that were created and never awaited.

use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{
    DatagramProtocol, EventLoop, Protocol, get_running_loop, open_connection, open_read_pipe, open_unix_connection,
    open_write_pipe, race, spawn, start_server, timeout,
};

use crate::told::{told_of, without_lines};

struct Nothing;
impl Protocol for Nothing {}
impl DatagramProtocol for Nothing {}

const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn a_builder_that_was_never_awaited_is_reported_with_the_line_that_made_it() {
    let told = told_of(async |_| {
        let _ = open_connection(NOWHERE).limit(7);
    });
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        without_lines(&told[0], file!()),
        "A builder was made, and never awaited, so it did nothing\ndetail: open_connection\nmade at: here"
    );
    let told = told_of(async |_| drop(open_connection(NOWHERE).limit(7).await));
    assert_eq!(told, [""; 0]);
}

#[test]
fn so_is_every_other_builder() {
    let told = told_of(async |_| {
        let event_loop = get_running_loop();
        drop(open_unix_connection("/nowhere"));
        drop(start_server(|_, _| (), NOWHERE));
        drop(event_loop.create_connection(|| Rc::new(Nothing), NOWHERE));
        drop(event_loop.create_unix_connection(|| Rc::new(Nothing), "/nowhere"));
        drop(event_loop.create_server(|| Rc::new(Nothing), NOWHERE));
        drop(event_loop.create_unix_server(|| Rc::new(Nothing), "/nowhere"));
        drop(event_loop.create_datagram_endpoint(|| Rc::new(Nothing)));
        drop(event_loop.getaddrinfo("localhost", 1));
        let (reads, writes) = UnixStream::pair().unwrap();
        drop(open_read_pipe(reads));
        drop(open_write_pipe(writes));
    });
    let what: Vec<_> = told.iter().map(|text| text.lines().nth(1).unwrap()).collect();
    let expected = [
        "open_connection",
        "start_server",
        "create_connection",
        "create_connection",
        "create_server",
        "create_server",
        "create_datagram_endpoint",
        "getaddrinfo",
        "open_read_pipe",
        "open_write_pipe",
    ];
    assert_eq!(what, expected.map(|name| format!("detail: {name}")));
    assert!(told.iter().all(|text| text.contains(file!())), "{told:?}");
}

#[test]
fn what_was_given_to_somebody_who_did_not_need_it_is_no_fault() {
    let told = told_of(async |_| {
        race((async {}, async { drop(open_connection(NOWHERE).await) })).await;
        let _ = timeout(Duration::ZERO, open_connection(NOWHERE)).await;
        let early = spawn(open_connection(NOWHERE));
        early.cancel();
        drop(early.await);
    });
    assert_eq!(told, [""; 0]);
}

#[test]
fn outside_of_debug_mode_and_of_a_loop_nobody_is_told() {
    let mut event_loop = EventLoop::builder().debug(false).build().unwrap();
    event_loop.handle().set_exception_handler(|incident| panic!("{incident}"));
    event_loop.run(async { drop(open_connection(NOWHERE)) });
    drop(open_connection(NOWHERE));
}
