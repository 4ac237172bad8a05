//! The end of a TLS session: in order, cut off, or unanswered; and what is left behind then.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::rc::{Rc, Weak};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::common::certificates::Authority;
use crate::common::running::run;
use crate::common::tls_peer::{Peer, pipe};
use crate::common::trace::Trace;
use crate::settings::{both, kind_of};
use waterwheel::rustls::SupportedProtocolVersion;
use waterwheel::rustls::client::Resumption;
use waterwheel::rustls::version::{TLS12, TLS13};
use waterwheel::{
    AfterEof, BufferedProtocol, ConnectionError, EventLoop, Protocol, ReceiveBuffer, StreamReader, StreamWriter,
    TlsClient, TlsError, TlsErrorKind, TlsServer, Transport, get_running_loop, open_connection, sleep, start_server,
    yield_now,
};

/// Like [`both`], for one version of TLS.
fn both_of(version: &'static SupportedProtocolVersion) -> (TlsServer, TlsClient) {
    let authority = Authority::new();
    let identity = authority.sign(&["127.0.0.1"]);
    let mut config = authority.client_of(version);
    Arc::make_mut(&mut config).resumption = Resumption::disabled();
    (TlsServer::new(&identity.chain, &identity.key).unwrap(), config.into())
}

#[test]
fn closing_ends_both_sides_in_order_and_everything_arrives() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let outcome = Rc::new(RefCell::new(None));
        let told = Rc::clone(&outcome);
        let handler = move |mut reader: StreamReader, writer: StreamWriter| {
            let told = Rc::clone(&told);
            async move {
                let received = reader.read_to_end().await;
                let closed = writer.wait_closed().await;
                told.replace(Some((received.map(|bytes| bytes.len()), closed)));
            }
        };
        let server = start_server(handler, "127.0.0.1:0").tls(server).await.unwrap();
        let (_reader, writer) = open_connection(server.local_addrs()[0]).tls(client).await.unwrap();
        writer.write(&vec![7; 3_000_000]);
        writer.close();
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap();
        while outcome.borrow().is_none() {
            yield_now().await;
        }
        let (received, closed) = outcome.take().unwrap();
        assert_eq!(received.unwrap(), 3_000_000);
        closed.unwrap();
    });
}

const MESSAGE: &[u8] = b"one line\nand another\n";

/// Whether our side read the whole message and a clean end. Otherwise checks that the error is of the right kind, and
/// that nothing can be read except the beginning of the message.
async fn is_clean_end(connected: io::Result<(StreamReader, StreamWriter)>, cut: usize) -> bool {
    let outcome = async {
        let (mut reader, writer) = connected?;
        let received = reader.read_to_end().await;
        if received.is_err() {
            let rest = reader.fill_buf().await.map(<[u8]>::to_vec).unwrap_or_default();
            assert!(MESSAGE.starts_with(&rest));
            assert!(writer.wait_closed().await.is_err(), "{cut}: the writer hears of it too");
        }
        received
    };
    match outcome.await {
        Ok(received) => {
            assert_eq!(received, MESSAGE, "{cut}");
            true
        }
        Err(error) => {
            let expected = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
            assert!(expected.contains(&error.kind()), "{cut}: {error}");
            false
        }
    }
}

/// Cuts a peer's session after every number of bytes: each cut is an error, and only after the last byte, which
/// completes its close_notify, is the end clean. Returns the number of cuts.
async fn cut_anywhere(mut is_clean: impl AsyncFnMut(usize) -> bool) -> usize {
    // The length of a session varies by a few bytes, with the length of a signature, so each is run until it ends
    // cleanly.
    let mut cut = 0;
    while !is_clean(cut).await {
        cut += 1;
        assert!(cut < 10_000, "no session is as long");
    }
    cut
}

#[test]
fn a_servers_session_cut_anywhere_is_an_error_and_only_close_notify_is_a_clean_end() {
    for version in [&TLS12, &TLS13] {
        let (server, client) = both_of(version);
        let cuts = run(cut_anywhere(async |cut| {
            let server = server.clone();
            let relay = pipe(cut, move |stream| {
                let mut peer = Peer::server(stream, server.rustls_config());
                peer.handshake().and_then(|()| peer.write(MESSAGE)).and_then(|()| peer.close_notify()).is_ok()
            });
            let is_clean = is_clean_end(open_connection(relay.address()).tls(&client).await, cut).await;
            assert!(!is_clean || relay.was_whole(), "a clean end after {cut} bytes, with more to come");
            is_clean
        }));
        assert!(cuts > 500, "{version:?}: a session was cut at {cuts} places");
    }
}

#[test]
fn a_clients_session_cut_anywhere_is_an_error_and_only_close_notify_is_a_clean_end() {
    for version in [&TLS12, &TLS13] {
        let (server, client) = both_of(version);
        let config = client.rustls_config();
        let cuts = run(async {
            let (outcome, handled) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(0)));
            let (told, count) = (Rc::clone(&outcome), Rc::clone(&handled));
            let handler = move |reader: StreamReader, writer: StreamWriter| {
                count.set(count.get() + 1);
                let told = Rc::clone(&told);
                async move { told.set(Some(is_clean_end(Ok((reader, writer)), 0).await)) }
            };
            let serving = start_server(handler, "127.0.0.1:0").tls(&server).await.unwrap();
            let address = serving.local_addrs()[0];
            let cuts = cut_anywhere(async |cut| {
                let config = Arc::clone(&config);
                let peer = std::thread::spawn(move || {
                    let mut peer = Peer::client(address, cut, config);
                    let whole = peer.handshake().and_then(|()| peer.write(MESSAGE)).and_then(|()| peer.close_notify());
                    peer.hang_up();
                    whole.is_ok()
                });
                while !peer.is_finished() || serving.connections() > 0 {
                    sleep(Duration::from_micros(100)).await;
                }
                let (is_clean, was_whole) = (outcome.take() == Some(true), peer.join().unwrap());
                assert_eq!(is_clean, was_whole, "after {cut} bytes");
                is_clean
            });
            let cuts = cuts.await;
            // The handler is called only if the cut comes after the handshake. There are at least as many such cuts as
            // the message has bytes.
            let (handled, behind) = (handled.get(), MESSAGE.len()..cuts);
            assert!(behind.contains(&handled), "{handled} of {cuts} were handled");
            cuts
        });
        assert!(cuts > 200, "{version:?}: a session was cut at {cuts} places");
    }
}

#[test]
fn an_end_without_close_notify_may_be_accepted() {
    let (server, client) = both("127.0.0.1");
    run(async {
        for accept in [false, true] {
            let peer_side = server.clone();
            let relay = pipe(usize::MAX, move |stream| {
                let mut peer = Peer::server(stream, peer_side.rustls_config());
                peer.handshake().and_then(|()| peer.write(b"all there is")).is_ok()
            });
            let client = client.clone().accept_truncation(accept);
            let (mut reader, writer) = open_connection(relay.address()).tls(client).await.unwrap();
            assert_eq!(reader.readexactly(12).await.unwrap(), b"all there is");
            let end = reader.read(1).await;
            if accept {
                assert_eq!(end.unwrap(), b"");
                writer.wait_closed().await.unwrap();
            } else {
                let error = end.unwrap_err();
                assert_eq!(
                    (error.kind(), kind_of(&error)),
                    (io::ErrorKind::UnexpectedEof, Some(TlsErrorKind::Truncated))
                );
                assert_eq!(kind_of(&writer.wait_closed().await.unwrap_err()), Some(TlsErrorKind::Truncated));
            }
        }
    });
}

#[test]
fn a_peer_that_does_not_answer_our_end_is_left_after_the_shutdown_timeout() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let relay = pipe(usize::MAX, move |stream| {
            let mut peer = Peer::server(stream, server.rustls_config());
            let done = peer.handshake().and_then(|()| peer.write(b"hello")).is_ok();
            // Neither answers nor closes, until the other side closes.
            peer.swallow();
            done
        });
        let limit = Duration::from_millis(20);
        let connecting = open_connection(relay.address()).tls(client).tls_shutdown_timeout(limit);
        let (mut reader, writer) = connecting.await.unwrap();
        assert_eq!(reader.read(100).await.unwrap(), b"hello");
        writer.close();
        let error = writer.wait_closed().await.unwrap_err();
        assert_eq!(kind_of(&error), Some(TlsErrorKind::ShutdownTimedOut(limit)));
        assert_eq!(kind_of(&reader.read(1).await.unwrap_err()), Some(TlsErrorKind::ShutdownTimedOut(limit)));
    });
}

#[test]
fn a_peer_that_sends_on_and_on_after_our_end_is_left_after_the_shutdown_timeout() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let relay = pipe(usize::MAX, move |stream| {
            let mut peer = Peer::server(stream, server.rustls_config());
            let done = peer.handshake().is_ok();
            peer.flood();
            done
        });
        let limit = Duration::from_millis(20);
        let connecting = open_connection(relay.address()).tls(client).tls_shutdown_timeout(limit);
        let (mut reader, writer) = connecting.await.unwrap();
        assert_eq!(reader.readexactly(3).await.unwrap(), b"xxx");
        writer.close();
        let error = writer.wait_closed().await.unwrap_err();
        assert_eq!(kind_of(&error), Some(TlsErrorKind::ShutdownTimedOut(limit)));
    });
}

#[test]
fn what_was_written_before_the_peer_ended_the_session_still_goes_out_and_then_our_end() {
    const BYTES: usize = 16 << 20;
    let (server, client) = both("127.0.0.1");
    run(async {
        let (tell, told) = std::sync::mpsc::channel();
        let (go, may_read) = std::sync::mpsc::channel();
        let relay = pipe(usize::MAX, move |stream| {
            let mut peer = Peer::server(stream, server.rustls_config());
            let ended = peer.handshake().and_then(|()| peer.close_notify());
            // Until then the kernel has no room for all of our bytes.
            let _ = may_read.recv();
            let _ = tell.send(ended.and_then(|()| peer.read_to_close_notify()).map_err(|error| error.to_string()));
            true
        });
        let (mut reader, writer) = open_connection(relay.address()).tls(client).await.unwrap();
        writer.write(&vec![7; BYTES]);
        assert!(writer.transport().get_write_buffer_size() > 0, "not all of it has gone out");
        go.send(()).unwrap();
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap();
        assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), Ok(BYTES));
    });
}

/// A protocol that records its callbacks.
#[derive(Default)]
struct Story {
    words: RefCell<Vec<String>>,
    transport: RefCell<Option<Rc<dyn Transport>>>,
    pause_at_once: bool,
    panics_at: Cell<&'static str>,
}

impl Story {
    fn note(&self, word: &'static str, text: String) {
        self.words.borrow_mut().push(text);
        assert!(self.panics_at.get() != word, "as the test asked for");
    }

    async fn until_lost(&self) -> Vec<String> {
        while !self.words.borrow().last().is_some_and(|word| word.starts_with("lost")) {
            yield_now().await;
        }
        self.words.borrow().clone()
    }
}

impl Protocol for Story {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        if self.pause_at_once {
            transport.pause_reading();
        }
        self.transport.replace(Some(transport));
        self.note("made", "made".to_owned());
    }
    fn data_received(&self, data: &[u8]) {
        self.note("data", format!("data {}", String::from_utf8_lossy(data)));
    }
    fn eof_received(&self) -> AfterEof {
        self.note("eof", "eof".to_owned());
        AfterEof::KeepOpen
    }
    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.words.borrow_mut().push(error.map_or_else(|| "lost".to_owned(), |error| format!("lost: {error}")));
    }
}

async fn connected(client: &TlsClient, relay: &crate::common::tls_peer::Pipe, story: Story) -> Rc<Story> {
    let connecting = get_running_loop().create_connection(move || Rc::new(story), relay.address()).tls(client);
    connecting.await.unwrap().1
}

#[test]
fn data_beside_the_end_waits_for_a_paused_protocol_and_comes_before_the_end() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let relay = pipe(usize::MAX, move |stream| {
            let mut peer = Peer::server(stream, server.rustls_config());
            // One segment with several small records and the end. After that, silence: no further event.
            peer.handshake()
                .and_then(|()| peer.write_records(&[&b"a"[..], b"b", b"c"]))
                .and_then(|()| peer.close_notify())
                .is_ok()
        });
        let story = connected(&client, &relay, Story { pause_at_once: true, ..Story::default() }).await;
        for _ in 0..3 {
            sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(*story.words.borrow(), ["made"]);
        let transport = story.transport.borrow().clone().unwrap();
        transport.resume_reading();
        assert_eq!(*story.words.borrow(), ["made"], "nothing comes from inside a call of ours");
        assert_eq!(story.until_lost().await, ["made", "data abc", "eof", "lost"]);
        assert!(transport.is_closing());
    });
}

#[test]
fn a_protocol_that_panics_loses_its_connection_once() {
    let (server, client) = both("127.0.0.1");
    let cases: [(&'static str, &[&str]); 3] = [
        ("made", &["made", "lost: the protocol's connection_made panicked"]),
        ("data", &["made", "data x", "lost: the protocol's data_received panicked"]),
        ("eof", &["made", "data x", "eof", "lost: the protocol's eof_received panicked"]),
    ];
    for (panics_at, expected) in cases {
        run(async {
            get_running_loop().set_exception_handler(|_| {});
            let peer_side = server.clone();
            let relay = pipe(usize::MAX, move |stream| {
                let mut peer = Peer::server(stream, peer_side.rustls_config());
                peer.handshake().and_then(|()| peer.write(b"x")).and_then(|()| peer.close_notify()).is_ok()
            });
            let story = Story { panics_at: Cell::new(panics_at), ..Story::default() };
            let kept: Rc<RefCell<Option<Rc<Story>>>> = Rc::default();
            let keep = Rc::clone(&kept);
            let connecting = get_running_loop().create_connection(
                move || {
                    let story = Rc::new(story);
                    keep.replace(Some(Rc::clone(&story)));
                    story
                },
                relay.address(),
            );
            // After a panic in `connection_made`, connecting fails.
            assert_eq!(connecting.tls(&client).await.is_err(), panics_at == "made");
            let story = kept.take().unwrap();
            assert_eq!(story.until_lost().await, expected);
        });
    }
}

#[test]
fn an_end_of_the_session_in_the_segment_of_the_handshakes_last_flight_is_an_end_and_no_failure() {
    let (server, client) = both_of(&TLS13);
    run(async {
        // Our side is the server.
        let story = Rc::new(Story::default());
        let told = Rc::clone(&story);
        let serving = get_running_loop().create_server(move || Rc::clone(&told), "127.0.0.1:0").tls(&server);
        let serving = serving.await.unwrap();
        let (address, config) = (serving.local_addrs()[0], client.rustls_config());
        let peer = std::thread::spawn(move || {
            let mut peer = Peer::client(address, usize::MAX, config);
            peer.handshake_but_for_the_last_flight().and_then(|()| peer.close_notify()).unwrap();
            peer.hang_up()
        });
        assert_eq!(story.until_lost().await, ["made", "eof", "lost"]);
        assert!(peer.join().unwrap());

        // Our side is the client. With TLS 1.2, the last flight is the server's.
        let (server, client) = both_of(&TLS12);
        let relay = pipe(usize::MAX, move |stream| {
            let mut peer = Peer::server(stream, server.rustls_config());
            peer.handshake_but_for_the_last_flight().and_then(|()| peer.close_notify()).is_ok()
        });
        let story = connected(&client, &relay, Story::default()).await;
        assert_eq!(story.until_lost().await, ["made", "eof", "lost"]);
    });
}

/// Answers and panics in the same callback.
#[derive(Default)]
struct AnswersAndPanics(RefCell<Option<Rc<dyn Transport>>>);

impl Protocol for AnswersAndPanics {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.0.replace(Some(transport));
    }
    fn data_received(&self, _data: &[u8]) {
        let transport = self.0.borrow().clone().unwrap();
        transport.write(b"last words");
        panic!("as the test asked for");
    }
}

#[test]
fn what_a_protocol_wrote_before_it_panicked_is_sent_but_no_end_of_the_session() {
    let (server, client) = both("127.0.0.1");
    run(async {
        get_running_loop().set_exception_handler(|_| {});
        let factory = || Rc::new(AnswersAndPanics::default());
        let server = get_running_loop().create_server(factory, "127.0.0.1:0").tls(server).await.unwrap();
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).tls(client).await.unwrap();
        writer.write(b"question");
        assert_eq!(reader.readexactly(10).await.unwrap(), b"last words");
        assert_eq!(kind_of(&reader.read(1).await.unwrap_err()), Some(TlsErrorKind::Truncated));
    });
}

/// Lends a buffer without any room.
#[derive(Default)]
struct WithoutRoom(waterwheel::Promise<Option<io::ErrorKind>>);

impl Protocol for WithoutRoom {
    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.0.set(error.map(|error| error.kind())).unwrap();
    }
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }
}

impl BufferedProtocol for WithoutRoom {
    fn get_buffer(&self) -> ReceiveBuffer {
        ReceiveBuffer::new(0)
    }
    fn buffer_updated(&self, _buffer: ReceiveBuffer, received: usize) {
        assert_eq!(received, 0);
    }
}

#[test]
fn a_buffer_without_room_is_reported_and_loses_the_connection() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let incidents = Trace::of_incidents();
        let peer = async |_reader: StreamReader, writer: StreamWriter| writer.write(b"something");
        let server = start_server(peer, "127.0.0.1:0").tls(server).await.unwrap();
        let connecting =
            get_running_loop().create_connection(|| Rc::new(WithoutRoom::default()), server.local_addrs()[0]);
        let (_transport, protocol) = connecting.tls(client).await.unwrap();
        assert_eq!(protocol.0.wait().await, Some(io::ErrorKind::InvalidInput));
        assert_eq!(incidents.take(), ["get_buffer() returned a buffer without room"]);
    });
}

#[test]
fn a_failed_handshake_tells_the_protocol_nothing() {
    let (server, _) = both("127.0.0.1");
    let (_, stranger) = both("127.0.0.1");
    run(async {
        let relay = pipe(usize::MAX, move |stream| Peer::server(stream, server.rustls_config()).handshake().is_ok());
        let story = Rc::new(Story::default());
        let protocol = Rc::clone(&story);
        let connecting = get_running_loop().create_connection(move || protocol, relay.address());
        let error = connecting.tls(stranger).await.map(|_| ()).unwrap_err();
        assert_eq!(kind_of(&error), Some(TlsErrorKind::UnknownIssuer));
        yield_now().await;
        assert!(story.words.borrow().is_empty());
        assert_eq!(Rc::strong_count(&story), 1, "nothing of the connection is left");
    });
}

#[test]
fn nothing_is_left_of_a_connection_when_its_loop_is_dropped_or_it_is_lost() {
    let (server, client) = both("127.0.0.1");
    for close in [true, false] {
        let mut event_loop = EventLoop::new().unwrap();
        let story: Weak<Story> = event_loop.run(async {
            let peer_side = server.clone();
            let relay = pipe(usize::MAX, move |stream| {
                let mut peer = Peer::server(stream, peer_side.rustls_config());
                let done = peer.handshake().is_ok();
                peer.swallow();
                done
            });
            let story = connected(&client, &relay, Story::default()).await;
            if close {
                let transport = story.transport.borrow().clone().unwrap();
                transport.abort();
                transport.abort();
                assert_eq!(story.until_lost().await, ["made", "lost"]);
                // The protocol still has its transport, all of whose methods are harmless.
                transport.write(b"nothing");
                transport.close();
                transport.resume_reading();
                assert_eq!(transport.get_write_buffer_size(), 0);
                assert!(transport.extra_info().tls().is_some());
                story.transport.take();
            }
            Rc::downgrade(&story)
        });
        // The other case: transport and protocol hold each other, and the loop is dropped.
        drop(event_loop);
        assert_eq!(story.strong_count(), 0, "closed first: {close}");
    }
}

/// A protocol that answers whatever comes with many bytes.
#[derive(Default)]
struct Eager {
    transport: RefCell<Option<Rc<dyn Transport>>>,
    received: Cell<usize>,
    lost: RefCell<Option<Option<ConnectionError>>>,
}

impl Protocol for Eager {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.transport.replace(Some(transport));
    }
    fn data_received(&self, data: &[u8]) {
        self.received.set(self.received.get() + data.len());
        self.transport.borrow().as_ref().unwrap().write(&[b'a'; 256 * 1024]);
    }
    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.lost.replace(Some(error));
    }
}

#[test]
fn an_answer_to_what_came_before_a_fault_is_dropped_and_the_fault_is_told() {
    for version in [&TLS12, &TLS13] {
        let (server, client) = both_of(version);
        run(async move {
            let incidents = Trace::of_incidents();
            let (sent, until_sent) = mpsc::channel();
            let relay = pipe(usize::MAX, move |stream| {
                let mut peer = Peer::server(stream, server.rustls_config());
                let shaken = peer.handshake().is_ok();
                peer.write(b"good").unwrap();
                // A record of an unknown type.
                (&mut peer.socket()).write_all(&[99, 3, 3, 0, 1, 0]).unwrap();
                sent.send(()).unwrap();
                peer.swallow();
                shaken
            });
            let connecting = get_running_loop().create_connection(|| Rc::new(Eager::default()), relay.address());
            let (_, eager) = connecting.tls(client).await.unwrap();
            // Both records are there when the loop goes on, and are received together.
            until_sent.recv().unwrap();
            while eager.lost.borrow().is_none() {
                yield_now().await;
            }
            assert_eq!(eager.received.get(), b"good".len());
            let error = eager.lost.take().unwrap().expect("an error");
            assert!(TlsError::of(&error).is_some(), "{error}");
            assert_eq!(incidents.take(), [""; 0]);
            eager.transport.take();
        });
    }
}

#[test]
fn what_is_unsent_is_given_up_by_an_abort_at_once() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let (done, until_done) = mpsc::channel::<()>();
        let relay = pipe(usize::MAX, move |stream| {
            let mut peer = Peer::server(stream, server.rustls_config());
            let shaken = peer.handshake().is_ok();
            // Reads nothing more.
            let _ = until_done.recv();
            shaken
        });
        let story = connected(&client, &relay, Story::default()).await;
        let transport = story.transport.take().unwrap();
        // More than the kernel's buffers take.
        transport.write(&vec![b'w'; 32 << 20]);
        yield_now().await;
        transport.write(b"kept, since the transport below is full");
        assert!(transport.get_write_buffer_size() > 1 << 20);
        transport.abort();
        assert_eq!(transport.get_write_buffer_size(), 0);
        assert_eq!(story.until_lost().await.last().map(String::as_str), Some("lost"));
        drop(done);
    });
}

#[test]
fn a_tls_stream_has_no_half_that_ends_alone() {
    let (server, client) = both("127.0.0.1");
    run(async {
        let server = start_server(|_, _| {}, "127.0.0.1:0").tls(server).await.unwrap();
        let (_reader, writer) = open_connection(server.local_addrs()[0]).tls(client).await.unwrap();
        assert!(!writer.can_write_eof());
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.write_eof()));
        assert!(refused.is_err());
    });
}

#[test]
fn three_hundred_stalled_handshakes_disturb_nobody_and_go_at_the_timeout() {
    let (server, client) = both("127.0.0.1");
    crate::common::forward_clock::run(async |clock| {
        let handled = Rc::new(Cell::new(0));
        let count = Rc::clone(&handled);
        let handler = move |mut reader: StreamReader, writer: StreamWriter| {
            count.set(count.get() + 1);
            async move {
                let line = reader.readline().await?;
                writer.write_all(&line).await
            }
        };
        let server = start_server(handler, "127.0.0.1:0").backlog(400).tls(server).await.unwrap();
        let address = server.local_addrs()[0];
        let mut stalled = Vec::new();
        for _ in 0..300 {
            stalled.push(open_connection(address).await.unwrap());
        }
        // A third sends nothing, a third the beginning of a ClientHello, and a third a single byte that could begin a
        // record.
        for (number, (_, writer)) in stalled.iter().enumerate() {
            writer.write([&b""[..], &[22, 3, 1, 2, 0, 1, 0], &[22]][number % 3]);
        }
        clock.until("all are accepted", || server.connections() == 300).await;
        let (mut reader, writer) = open_connection(address).tls(client).await.unwrap();
        writer.write(b"hello\n");
        assert_eq!(reader.readline().await.unwrap(), b"hello\n");
        assert_eq!(reader.read(1).await.unwrap(), b"");
        writer.close();
        writer.wait_closed().await.unwrap();
        clock.put(Duration::from_secs(50)).await;
        assert_eq!(server.connections(), 300, "they have sixty seconds");

        clock.put(Duration::from_secs(11)).await;
        clock.until("all are gone", || server.connections() == 0).await;
        for (reader, _) in &mut stalled {
            // If there are unread bytes, the kernel resets the connection instead of ending it.
            let end = reader.read_to_end().await;
            assert!(end.is_ok_and(|bytes| bytes.is_empty()) || reader.at_eof() || reader.read(1).await.is_err());
        }
        assert_eq!(handled.get(), 1);
    });
}
