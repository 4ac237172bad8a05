//! The callbacks of a connection: made, data, eof, lost, in this order, and each except data once.

use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, Write};
use std::net::Shutdown;
use std::rc::Rc;

use crate::common::bytes::pattern;
use crate::common::connected::connect;
use crate::common::plain_peer::{read_exactly, read_to_end, reset};
use crate::common::recorder::Recorder;
use crate::common::running::{run, turns};
use crate::common::settle::settle;
use crate::common::until::until;
use waterwheel::{AfterEof, ConnectionError, EventLoop, Protocol, Transport, get_running_loop};

const LOSSES: [ErrorKind; 3] = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::ConnectionAborted];

#[test]
fn a_connection_is_made_before_its_creator_goes_on_and_data_comes_after() {
    let early = async || {
        let (ours, peer) = crate::common::sockets::sockets();
        (&peer).write_all(b"early").unwrap();
        let recorder = Recorder::new();
        let protocol = Rc::clone(&recorder);
        let (transport, same) = get_running_loop().create_connection(move || protocol, ours).await.unwrap();
        assert!(Rc::ptr_eq(&same, &recorder));
        assert_eq!(recorder.words(), ["made"]);
        until("data", || recorder.received.borrow().len() == 5).await;
        drop(peer);
        recorder.lost.wait().await;
        assert_eq!(recorder.words(), ["made", "data", "eof", "lost"]);
        assert!(transport.is_closing());
        assert!(transport.get_protocol().is_none());
    };
    run(early());
    // Polled in every turn, the selector reports the data before the protocol's `connection_made`.
    EventLoop::builder().handles_per_poll(1).build().unwrap().run(early());
}

#[test]
fn data_and_the_end_that_are_there_already_come_one_after_the_other() {
    run(async {
        let (ours, peer) = crate::common::sockets::sockets();
        let data = pattern(300_000);
        // As much as the kernel holds, then the end of stream.
        let mut sent = 0;
        while let Ok(n) = (&peer).write(&data[sent..]) {
            sent += n;
            if sent == data.len() {
                break;
            }
        }
        peer.shutdown(Shutdown::Write).unwrap();
        let recorder = Recorder::new();
        let protocol = Rc::clone(&recorder);
        get_running_loop().create_connection(move || protocol, ours).await.unwrap();
        recorder.lost.wait().await;
        assert_eq!(recorder.words(), ["made", "data", "eof", "lost"]);
        assert_eq!(*recorder.received.borrow(), data[..sent]);
    });
}

#[test]
fn after_the_peers_end_a_protocol_may_stay_open_and_answer() {
    run(async {
        let recorder = Recorder::reacting(|word, this| {
            if word == "eof" {
                this.transport().write(b"answer");
            }
        });
        recorder.after_eof.set(AfterEof::KeepOpen);
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        (&peer).write_all(b"question").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_exactly(&peer, 6).await, b"answer");
        settle().await;
        assert!(!transport.is_closing() && transport.is_reading());
        transport.write(b"more");
        assert_eq!(read_exactly(&peer, 4).await, b"more");
        assert_eq!(recorder.words(), ["made", "data", "eof"]);
        transport.close();
        recorder.lost.wait().await;
        assert_eq!(recorder.words(), ["made", "data", "eof", "lost"]);
        assert!(read_to_end(&peer).await.unwrap().is_empty());
    });
}

#[test]
fn what_is_buffered_when_the_peer_ends_its_side_still_goes_out() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        let data = pattern(8 << 20);
        transport.write(&data);
        assert!(transport.get_write_buffer_size() > 0);
        peer.shutdown(Shutdown::Write).unwrap();
        until("eof", || recorder.trace.last_is("eof")).await;
        assert!(transport.is_closing());
        assert!(read_to_end(&peer).await.unwrap() == data);
        assert_eq!(recorder.lost.wait().await, None);
    });
}

#[test]
fn our_own_end_comes_after_what_is_buffered_and_reading_goes_on() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        assert!(transport.can_write_eof());
        let data = pattern(8 << 20);
        transport.write(&data);
        transport.write_eof();
        transport.write_eof();
        assert!(read_to_end(&peer).await.unwrap() == data);
        assert!(!transport.is_closing());
        (&peer).write_all(b"still here").unwrap();
        until("data", || recorder.received.borrow().len() == 10).await;
        drop(peer);
        recorder.lost.wait().await;
        assert_eq!(recorder.trace.words().iter().filter(|word| *word != "pause").count(), 5);
        assert!(recorder.trace.words().ends_with(&["data".into(), "eof".into(), "lost".into()]));
    });
}

#[test]
fn write_eof_follows_at_once_what_the_same_step_wrote() {
    run(async {
        let (transport, peer) = connect(Recorder::new()).await;
        transport.write(b"all");
        transport.write_eof();
        assert_eq!(read_to_end(&peer).await.unwrap(), b"all");
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| transport.write(b"")));
        assert!(written.is_err(), "even nothing cannot be written after write_eof");
        transport.close();
    });
}

#[test]
fn close_is_immediate_to_see_and_told_in_a_later_turn_once() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        transport.close();
        transport.close();
        transport.abort();
        assert!(transport.is_closing() && !transport.is_reading());
        assert_eq!(recorder.words(), ["made"]);
        turns(2).await;
        assert_eq!(recorder.words(), ["made", "lost"]);
        transport.close();
        transport.abort();
        transport.pause_reading();
        transport.resume_reading();
        transport.write_eof();
        settle().await;
        assert_eq!(recorder.words(), ["made", "lost"]);
        assert!(read_to_end(&peer).await.unwrap().is_empty());
    });
}

#[test]
fn closing_stops_reading_at_once() {
    run(async {
        let recorder = Recorder::reacting(|word, this| {
            if word == "data" {
                this.transport().close();
            }
        });
        let (_, peer) = connect(Rc::clone(&recorder)).await;
        (&peer).write_all(&pattern(200_000)[..100_000]).unwrap();
        recorder.lost.wait().await;
        assert_eq!(recorder.words(), ["made", "data", "lost"]);
        assert!(recorder.received.borrow().len() < 100_000, "one receive, and none after the close");
    });
}

#[test]
fn eight_megabytes_queued_before_a_close_are_all_delivered() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        let data = pattern(8 << 20);
        transport.write(&data);
        transport.close();
        assert!(transport.get_write_buffer_size() > 0);
        assert!(read_to_end(&peer).await.unwrap() == data);
        assert_eq!(recorder.lost.wait().await, None);
        assert_eq!(recorder.words().iter().filter(|word| *word == "lost").count(), 1);
    });
}

#[test]
fn what_is_written_after_close_while_older_bytes_flush_is_delivered() {
    run(async {
        let (transport, peer) = connect(Recorder::new()).await;
        let mut data = pattern(8 << 20);
        transport.write(&data);
        transport.close();
        turns(3).await;
        transport.write(b"END");
        transport.writelines(&[IoSlice::new(b"very "), IoSlice::new(b"END")]);
        data.extend_from_slice(b"ENDvery END");
        assert!(read_to_end(&peer).await.unwrap() == data);
    });
}

#[test]
fn what_is_written_once_the_loss_is_certain_is_dropped() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        transport.write(b"before");
        transport.close();
        for _ in 0..8 {
            transport.write(b"after");
            transport.writelines(&[IoSlice::new(b"after")]);
        }
        assert_eq!(transport.get_write_buffer_size(), 0);
        assert_eq!(read_to_end(&peer).await.unwrap(), b"before");
        transport.write(b"long after");
        assert_eq!(recorder.words(), ["made", "lost"]);
    });
}

#[test]
fn abort_drops_the_buffer_and_the_peer_sees_a_reset() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        let data = pattern(8 << 20);
        transport.write(&data);
        transport.close();
        assert!(transport.get_write_buffer_size() > 0);
        transport.abort();
        assert_eq!(transport.get_write_buffer_size(), 0);
        assert_eq!(recorder.lost.wait().await, None);
        let end = read_to_end(&peer).await.map(|got| got.len()).map_err(|error| error.kind());
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "a part of it is no end");
    });
}

#[test]
fn closing_in_connection_made_after_a_write_delivers_the_write() {
    run(async {
        for abort in [false, true] {
            let recorder = Recorder::reacting(move |word, this| {
                if word == "made" {
                    this.transport().write(b"greeting");
                    if abort { this.transport().abort() } else { this.transport().close() }
                }
            });
            let (transport, peer) = connect(Rc::clone(&recorder)).await;
            assert!(transport.is_closing());
            assert_eq!(read_to_end(&peer).await.unwrap(), b"greeting");
            recorder.lost.wait().await;
            assert_eq!(recorder.words(), ["made", "lost"]);
        }
    });
}

#[test]
fn a_reset_by_the_peer_is_an_error_of_its_kind() {
    run(async {
        let recorder = Recorder::new();
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        reset(peer);
        assert_eq!(recorder.lost.wait().await, Some(ErrorKind::ConnectionReset));
        assert_eq!(recorder.words(), ["made", "lost(ConnectionReset)"]);
        transport.close();
        turns(3).await;
        assert_eq!(recorder.words().len(), 2);
    });
}

#[test]
fn writing_to_a_peer_that_is_gone_fails_the_connection_and_not_the_write() {
    run(async {
        let recorder = Recorder::new();
        recorder.after_eof.set(AfterEof::KeepOpen);
        let (transport, peer) = connect(Rc::clone(&recorder)).await;
        drop(peer);
        until("eof", || recorder.trace.last_is("eof")).await;
        until("the loss", || {
            transport.write(b"into the void");
            recorder.lost.is_set()
        })
        .await;
        let kind = recorder.lost.get().unwrap().expect("an error");
        assert!(LOSSES.contains(&kind), "{kind:?}");
        assert_eq!(recorder.words()[..2], ["made", "eof"]);
        assert_eq!(recorder.words().len(), 3);
    });
}

#[test]
fn the_names_stay_readable_after_the_close_and_the_socket_goes() {
    run(async {
        let (ours, peer) = crate::common::sockets::sockets();
        let (local, remote) = (ours.local_addr().unwrap(), peer.local_addr().unwrap());
        let recorder = Recorder::new();
        let protocol = Rc::clone(&recorder);
        let (transport, _) = get_running_loop().create_connection(move || protocol, ours).await.unwrap();
        let socket_is_there = transport.extra_info().socket().map(|socket| socket.tcp_nodelay().unwrap());
        assert_eq!(socket_is_there, Some(true), "small writes are not held back");
        transport.close();
        recorder.lost.wait().await;
        turns(1).await;
        let info = transport.extra_info();
        assert_eq!(info.sockname().unwrap().as_inet(), Some(local));
        assert_eq!(info.peername().unwrap().as_inet(), Some(remote));
        assert!(info.socket().is_none());
        assert!(format!("{transport:?}").contains("closing: true"), "{transport:?}");
    });
}

#[test]
fn another_protocol_may_take_over_and_hears_all_that_comes_later() {
    run(async {
        let (first, second) = (Recorder::new(), Recorder::new());
        let (transport, peer) = connect(Rc::clone(&first)).await;
        (&peer).write_all(b"one").unwrap();
        until("data", || first.received.borrow().len() == 3).await;
        transport.set_protocol(second.clone());
        (&peer).write_all(b"two").unwrap();
        until("data", || second.received.borrow().len() == 3).await;
        drop(peer);
        second.lost.wait().await;
        assert_eq!(first.words(), ["made", "data"]);
        assert_eq!(second.words(), ["data", "eof", "lost"]);
        transport.set_protocol(first.clone());
        assert!(transport.get_protocol().is_none());
    });
}

#[test]
fn everything_is_let_go_when_the_connection_is_lost_although_the_transport_is_held() {
    struct Holds(#[expect(dead_code, reason = "it counts who is alive")] Rc<()>, Cell<bool>);
    impl Protocol for Holds {
        fn connection_lost(&self, _: Option<ConnectionError>) {
            self.1.set(true);
        }
    }
    run(async {
        let alive = Rc::new(());
        let protocol = Rc::new(Holds(Rc::clone(&alive), Cell::new(false)));
        let (transport, peer): (Rc<dyn Transport>, _) = connect(protocol).await;
        drop(peer);
        until("the protocol is dropped", || Rc::strong_count(&alive) == 1).await;
        assert!(transport.is_closing());
    });
}
