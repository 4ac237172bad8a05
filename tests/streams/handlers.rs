//! What `start_server` calls for each connection: plain and async functions, and how their failures are reported.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use crate::common::plain_peer::read_to_end;
use crate::common::running::run;
use crate::common::settle::settle;
use crate::common::trace::Trace;
use crate::common::until::until;
use waterwheel::testing::socket_pair;
use waterwheel::{
    ClientConnected, JoinError, Server, StreamReader, StreamWriter, Task, get_running_loop, spawn, start_server,
};

/// Serves one client with `handler`. Returns what the client received, and the incidents as "message: text, peer".
async fn serve_one<M>(handler: impl ClientConnected<M>) -> (Vec<u8>, Vec<String>) {
    let incidents = Trace::default();
    let (said, peer) = (incidents.clone(), Rc::new(Cell::new(None)));
    let expected = Rc::clone(&peer);
    get_running_loop().set_debug(false); // The speed of the machine does not matter here.
    get_running_loop().set_exception_handler(move |incident| {
        assert_eq!(incident.peer().and_then(|peer| peer.as_inet()), expected.get(), "{incident:?}");
        let error = incident.error().map(ToString::to_string);
        let text = incident.panic().map(str::to_owned).or(error).expect("what went wrong");
        said.say(format!("{}: {text}", incident.message()));
    });
    let server: Server = start_server(handler, "127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(server.local_addrs()[0]).unwrap();
    client.set_nonblocking(true).unwrap();
    peer.set(Some(client.local_addr().unwrap()));
    let got = read_to_end(&client).await.unwrap();
    server.close();
    server.wait_closed().await;
    settle().await;
    (got, incidents.take())
}

#[test]
fn an_async_handler_that_returns_closes_its_connection_and_all_it_wrote_arrives() {
    run(async {
        let data = crate::common::bytes::pattern(4 << 20);
        let sent = data.clone();
        let (got, incidents) = serve_one(move |_reader, writer: StreamWriter| {
            let data = sent.clone();
            async move { writer.write(&data) }
        })
        .await;
        assert!(got == data && incidents.is_empty(), "{incidents:?}");
    });
}

#[test]
fn a_plain_handler_is_called_when_the_connection_is_made() {
    run(async {
        let (got, incidents) = serve_one(|_reader, writer: StreamWriter| writer.write(b"plain")).await;
        assert_eq!((&got[..], incidents.len()), (&b"plain"[..], 0));
        // The handler may keep both ends, and the connection lives as long as they do.
        let kept: Rc<RefCell<Vec<(StreamReader, StreamWriter)>>> = Rc::default();
        let keeping = Rc::clone(&kept);
        let server = start_server(move |reader, writer| keeping.borrow_mut().push((reader, writer)), "127.0.0.1:0");
        let server = server.await.unwrap();
        let client = TcpStream::connect(server.local_addrs()[0]).unwrap();
        client.set_nonblocking(true).unwrap();
        until("the connection", || kept.borrow().len() == 1).await;
        kept.borrow()[0].1.write(b"kept");
        assert_eq!(crate::common::plain_peer::read_exactly(&client, 4).await, b"kept");
        kept.take();
        assert!(read_to_end(&client).await.unwrap().is_empty());
    });
}

#[test]
fn a_handler_that_fails_is_reported_with_the_peer_and_its_connection_closed_after_a_flush() {
    run(async {
        let (got, incidents) = serve_one(|_reader, writer: StreamWriter| async move {
            writer.write(b"so far");
            Err::<(), _>(io::Error::new(ErrorKind::InvalidData, "no good"))
        })
        .await;
        assert_eq!(got, b"so far");
        assert_eq!(incidents, ["The handler of a connection failed: no good"]);
        // Any error that implements `Display` will do.
        struct Own;
        impl fmt::Display for Own {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("of my own")
            }
        }
        let (_, incidents) = serve_one(|_, _| async { Err::<(), _>(Own) }).await;
        assert_eq!(incidents, ["The handler of a connection failed: of my own"]);
    });
}

#[test]
fn a_handler_whose_error_panics_when_it_is_to_be_shown_or_dropped_is_reported_with_the_peer_and_its_connection_closed()
{
    struct Unspeakable;
    impl fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("no words")
        }
    }
    struct Clinging;
    impl fmt::Display for Clinging {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("never told")
        }
    }
    impl Drop for Clinging {
        fn drop(&mut self) {
            panic!("no end");
        }
    }
    run(async {
        let (got, incidents) = serve_one(|_reader, writer: StreamWriter| async move {
            writer.write(b"so far");
            // The loop keeps the writer, so that only the report of the failure closes the connection.
            get_running_loop().call_later(Duration::from_secs(3600), move || drop(writer));
            Err::<(), _>(Unspeakable)
        })
        .await;
        assert_eq!(got, b"so far");
        assert_eq!(incidents, ["The handler of a connection failed, and its error panicked: no words"]);
        let (_, incidents) = serve_one(|_, _| async { Err::<(), _>(Clinging) }).await;
        assert_eq!(incidents, ["The handler of a connection failed, and its error panicked: no end"]);
    });
}

#[test]
fn a_handler_that_panics_is_reported_with_the_peer_and_its_connection_closed_after_a_flush() {
    run(async {
        let (got, incidents) = serve_one(|mut reader: StreamReader, writer: StreamWriter| async move {
            writer.write(b"so far");
            waterwheel::yield_now().await;
            drop(writer);
            if !reader.at_eof() {
                panic!("in the task");
            }
            reader.read(1).await.unwrap();
        })
        .await;
        assert_eq!(got, b"so far");
        assert_eq!(incidents, ["The handler of a connection panicked: in the task"]);
    });
}

#[test]
fn a_plain_handler_that_panics_is_reported_with_the_peer_as_well() {
    run(async {
        let (got, incidents) = serve_one(|_reader, writer: StreamWriter| {
            writer.write(b"so far");
            if !writer.is_closing() {
                panic!("in the call");
            }
        })
        .await;
        assert_eq!(got, b"so far");
        assert_eq!(incidents, ["The handler of a connection panicked: in the call"]);
    });
}

#[test]
fn a_handler_that_panics_before_it_gives_a_future_is_reported_with_the_peer_as_well() {
    run(async {
        let (got, incidents) = serve_one(|_reader, writer: StreamWriter| {
            writer.write(b"so far");
            assert!(writer.is_closing(), "in the call");
            async {}
        })
        .await;
        assert_eq!(
            (&got[..], incidents),
            (&b"so far"[..], vec!["The handler of a connection panicked: in the call".into()])
        );
        let (_, incidents) = serve_one(|_reader, writer: StreamWriter| {
            assert!(writer.is_closing(), "in the fallible call");
            async { io::Result::Ok(()) }
        })
        .await;
        assert_eq!(incidents, ["The handler of a connection panicked: in the fallible call"]);
    });
}

#[test]
fn a_failing_handler_takes_no_other_connection_along() {
    run(async {
        let incidents = Trace::of_incidents();
        let count = Rc::new(Cell::new(0));
        let server = start_server(
            move |mut reader: StreamReader, writer: StreamWriter| {
                count.set(count.get() + 1);
                let fails = count.get() == 2;
                async move {
                    assert!(!fails, "the second one");
                    let line = reader.readline().await?;
                    writer.write_all(&line).await?;
                    Ok::<_, waterwheel::ReadError>(())
                }
            },
            "127.0.0.1:0",
        )
        .await
        .unwrap();
        let clients: Vec<_> = (0..3)
            .map(|_| {
                let client = TcpStream::connect(server.local_addrs()[0]).unwrap();
                client.set_nonblocking(true).unwrap();
                client
            })
            .collect();
        until("the report", || !incidents.words().is_empty()).await;
        for (n, client) in clients.iter().enumerate() {
            if n != 1 {
                io::Write::write_all(&mut &*client, b"line\n").unwrap();
            }
            let expected: &[u8] = if n == 1 { b"" } else { b"line\n" };
            assert_eq!(read_to_end(client).await.unwrap(), expected);
        }
        assert_eq!(incidents.words(), ["the second one"]);
    });
}

#[test]
fn a_handler_may_close_its_own_server_and_stop_who_serves() {
    run(async {
        let server: Rc<RefCell<Option<Rc<Server>>>> = Rc::default();
        let serving: Rc<RefCell<Option<Task<io::Result<()>>>>> = Rc::default();
        let (closing, cancelling) = (Rc::clone(&server), Rc::clone(&serving));
        let started = start_server(
            move |_reader, writer: StreamWriter| {
                let (server, task) = (closing.take().unwrap(), Rc::clone(&cancelling));
                async move {
                    writer.write(b"goodbye");
                    task.borrow().as_ref().unwrap().cancel();
                    server.close();
                }
            },
            "127.0.0.1:0",
        )
        .await
        .unwrap();
        let started = Rc::new(started);
        server.replace(Some(Rc::clone(&started)));
        let forever = Rc::clone(&started);
        serving.replace(Some(spawn(async move { forever.serve_forever().await })));
        let client = TcpStream::connect(started.local_addrs()[0]).unwrap();
        client.set_nonblocking(true).unwrap();
        assert_eq!(read_to_end(&client).await.unwrap(), b"goodbye");
        let task = serving.take().unwrap();
        assert!(matches!(task.await, Err(JoinError::Cancelled)));
        started.wait_closed().await;
        assert!(!started.is_serving());
    });
}

#[test]
fn who_wraps_a_handler_may_call_it() {
    async fn said_by<M>(handler: impl ClientConnected<M>) -> Vec<u8> {
        let (ours, mut theirs) = socket_pair().unwrap();
        handler.call(&get_running_loop(), ours.reader, ours.writer);
        theirs.reader.read_to_end().await.unwrap()
    }
    run(async {
        assert_eq!(said_by(|_, writer: StreamWriter| writer.write(b"plain")).await, b"plain");
        assert_eq!(said_by(async |_, writer: StreamWriter| writer.write(b"async")).await, b"async");
        let fallible = async |_, writer: StreamWriter| {
            writer.write(b"fallible");
            io::Result::Ok(())
        };
        assert_eq!(said_by(fallible).await, b"fallible");
    });
}
