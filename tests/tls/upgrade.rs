//! TLS that starts in the middle of a connection: plain text that is received or written around it, and what is left
//! when it fails.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::common::running::run;
use crate::settings::{both, kind_of};
use waterwheel::{
    ConnectionError, Protocol, StreamReader, StreamWriter, TlsError, TlsErrorKind, TlsServer, Transport,
    get_running_loop, open_connection, sleep, start_server, start_tls, timeout, yield_now,
};

#[test]
fn plain_text_written_before_arrives_before_the_handshake_however_much_it_is() {
    const PLAIN: usize = 1 << 20;
    let (server, client) = both("here.test");
    run(async {
        let handler = move |mut reader: StreamReader, writer: StreamWriter| {
            let tls = server.clone();
            async move {
                reader.readline().await?;
                // More than the kernel takes, so writing is paused when TLS takes over.
                writer.write(&vec![b'p'; PLAIN]);
                let (mut reader, writer) = start_tls(reader, writer, tls).await?;
                let line = reader.readline().await?;
                writer.write_all(&line).await?;
                io::Result::Ok(())
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        writer.write(b"go\n");
        assert_eq!(reader.readexactly(PLAIN).await.unwrap(), vec![b'p'; PLAIN]);
        let peer = writer.peer_addr();
        let (mut reader, writer) = start_tls(reader, writer, client).server_hostname("here.test").await.unwrap();
        assert_eq!(writer.peer_addr(), peer);
        assert!(writer.extra_info().tls().is_some());
        writer.write(b"secret\n");
        writer.drain().await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"secret\n");
    });
}

/// What a server reads after the upgrade, or how the upgrade or the session failed.
type Record = Rc<RefCell<Option<Result<Vec<u8>, Option<TlsErrorKind>>>>>;

async fn starttls_server(tls: TlsServer, hand_over: bool) -> (waterwheel::Server, Record) {
    let record = Record::default();
    let kept = Rc::clone(&record);
    let handler = move |mut reader: StreamReader, writer: StreamWriter| {
        let (tls, kept) = (tls.clone(), Rc::clone(&kept));
        async move {
            let command = reader.readline().await.unwrap();
            if command == b"STARTTLS\n" {
                writer.write(b"go\n");
            }
            let secure = start_tls(reader, writer, tls).hand_over_unread(hand_over).await;
            let outcome = match secure {
                Ok((mut reader, writer)) => {
                    let read = reader.readline().await.map_err(|error| kind_of(&error));
                    writer.write(b"bye\n");
                    read
                }
                Err(error) => Err(kind_of(&error)),
            };
            kept.replace(Some(outcome));
        }
    };
    (start_server(handler, "127.0.0.1:0").await.unwrap(), record)
}

async fn kept(record: &Record) -> Result<Vec<u8>, Option<TlsErrorKind>> {
    loop {
        if let Some(outcome) = record.take() {
            return outcome;
        }
        yield_now().await;
    }
}

#[test]
fn plain_text_injected_before_starttls_never_counts_as_decrypted() {
    for hand_over in [false, true] {
        let (tls, client) = both("here.test");
        run(async {
            let (server, record) = starttls_server(tls, hand_over).await;
            let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
            writer.write(b"STARTTLS\nINJECTED\n");
            assert_eq!(reader.readline().await.unwrap(), b"go\n");
            let outcome = start_tls(reader, writer, client).server_hostname("here.test").await;
            assert!(outcome.is_err(), "the upgrade fails");
            // The plain text is either refused as such, or handed to TLS, for which it is not a handshake.
            let expected = if hand_over { TlsErrorKind::Protocol } else { TlsErrorKind::PlaintextBefore(9) };
            assert_eq!(kept(&record).await, Err(Some(expected)));
        });
    }
}

/// Starts TLS in the callback that receives the STARTTLS command.
struct Upgrading {
    story: Rc<Story>,
    tls: TlsServer,
    started: Cell<bool>,
}

impl Protocol for Upgrading {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.story.connection_made(transport);
    }
    fn data_received(&self, data: &[u8]) {
        self.story.data_received(data);
        if data.starts_with(b"STARTTLS\n") && !self.started.replace(true) {
            let transport = self.story.transport.borrow().clone().unwrap();
            let above: Rc<dyn Protocol> = Rc::clone(&self.story) as _;
            let upgrade = get_running_loop().start_tls(transport, above, &self.tls);
            drop(waterwheel::spawn(async move { upgrade.await.map(drop) }));
        }
    }
    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.story.connection_lost(error);
    }
}

#[test]
fn plain_text_injected_behind_starttls_never_reaches_a_protocol_after_it() {
    // Bytes in the same piece as the command are passed on with it, as plain text, before TLS; the rest is not a
    // handshake.
    for (at_once, later, told) in [
        (&b"STARTTLS\n"[..], &b"INJECTED\n"[..], "STARTTLS\n"),
        (b"STARTTLS\nINJECTED\n", b"INJECTED AGAIN\n", "STARTTLS\nINJECTED\n"),
    ] {
        let (tls, _) = both("here.test");
        run(async {
            let story = Rc::new(Story::default());
            let kept = Rc::clone(&story);
            let factory =
                move || Rc::new(Upgrading { story: Rc::clone(&kept), tls: tls.clone(), started: Cell::new(false) });
            let server = get_running_loop().create_server(factory, "127.0.0.1:0").await.unwrap();
            let (_reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
            writer.write(at_once);
            story.until(told).await;
            writer.write(later);
            story.until("lost Some(Protocol)").await;
            assert_eq!(*story.words.borrow(), ["made", told, "lost Some(Protocol)"]);
        });
    }
}

#[test]
fn an_upgrade_of_a_transport_that_is_cancelled_or_times_out_leaves_nothing() {
    let (_, client) = both("here.test");
    for (cancel, expected) in [(true, "lost None".to_owned()), (false, "lost Some(HandshakeTimedOut(10ms))".to_owned())]
    {
        run(async {
            // Reads everything and never answers.
            let handler = async |mut reader: StreamReader, writer: StreamWriter| {
                let _kept_open = writer;
                let _ = reader.read_to_end().await;
            };
            let server = start_server(handler, "127.0.0.1:0").await.unwrap();
            let here = get_running_loop();
            let (transport, story) =
                here.create_connection(|| Rc::new(Story::default()), server.local_addrs()[0]).await.unwrap();
            let limit = Duration::from_millis(10);
            let upgrade = here.start_tls(Rc::clone(&transport), story.clone(), &client).server_hostname("here.test");
            if cancel {
                assert!(timeout(limit, upgrade.into_future()).await.is_err());
            } else {
                let error = upgrade.tls_handshake_timeout(limit).await.unwrap_err();
                assert_eq!(kind_of(&error), Some(TlsErrorKind::HandshakeTimedOut(limit)));
            }
            story.until(&expected).await;
            assert_eq!(*story.words.borrow(), ["made".to_owned(), expected]);
            while server.connections() > 0 {
                yield_now().await;
            }
            assert_eq!((Rc::strong_count(&transport), Rc::strong_count(&story)), (1, 1));
        });
    }
}

#[test]
fn a_client_hello_in_the_segment_of_the_last_plain_line_is_handed_over_on_request() {
    let (tls, client) = both("here.test");
    run(async {
        let (server, record) = starttls_server(tls, true).await;
        let (reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        // Nothing is sent before this step ends, so the line and the handshake are sent together.
        writer.write(b"PROXY TCP4 and so on\n");
        let (mut reader, writer) = start_tls(reader, writer, client).server_hostname("here.test").await.unwrap();
        writer.write(b"secret\n");
        assert_eq!(reader.readline().await.unwrap(), b"bye\n");
        assert_eq!(kept(&record).await, Ok(b"secret\n".to_vec()));
    });
}

#[test]
fn plain_text_and_an_end_at_once_are_an_error_and_no_data() {
    for (sent, expected) in
        [(&b"STARTTLS\nmore"[..], TlsErrorKind::PlaintextBefore(4)), (b"STARTTLS\n", TlsErrorKind::ClosedInHandshake)]
    {
        let (tls, _) = both("here.test");
        run(async {
            let (server, record) = starttls_server(tls, false).await;
            let (_reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
            writer.write(sent);
            writer.write_eof();
            assert_eq!(kept(&record).await, Err(Some(expected)));
        });
    }
}

#[test]
fn an_upgrade_that_times_out_or_is_cancelled_leaves_nothing() {
    let (_, client) = both("here.test");
    run(async {
        for cancel in [false, true] {
            let ended = Rc::new(Cell::new(false));
            let tell = Rc::clone(&ended);
            // Reads everything and never answers.
            let handler = move |mut reader: StreamReader, writer: StreamWriter| {
                let tell = Rc::clone(&tell);
                async move {
                    let _kept_open = writer;
                    let _ = reader.read_to_end().await;
                    tell.set(true);
                }
            };
            let server = start_server(handler, "127.0.0.1:0").await.unwrap();
            let (reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
            let transport = Rc::downgrade(&writer.transport());
            let limit = Duration::from_millis(10);
            let upgrade = start_tls(reader, writer, &client).server_hostname("here.test");
            if cancel {
                assert!(timeout(limit, upgrade.into_future()).await.is_err());
            } else {
                let error = upgrade.tls_handshake_timeout(limit).await.unwrap_err();
                assert_eq!(kind_of(&error), Some(TlsErrorKind::HandshakeTimedOut(limit)));
            }
            while !ended.get() {
                yield_now().await;
            }
            assert_eq!(transport.strong_count(), 0, "cancelled: {cancel}");
        }
    });
}

/// A protocol that records its callbacks.
#[derive(Default)]
struct Story {
    words: RefCell<Vec<String>>,
    transport: RefCell<Option<Rc<dyn Transport>>>,
}

impl Story {
    async fn until(&self, word: &str) {
        while !self.words.borrow().iter().any(|one| one == word) {
            yield_now().await;
        }
    }
}

impl Protocol for Story {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.words.borrow_mut().push("made".to_owned());
        self.transport.replace(Some(transport));
    }
    fn data_received(&self, data: &[u8]) {
        self.words.borrow_mut().push(String::from_utf8_lossy(data).into_owned());
    }
    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.transport.take();
        let kind = error.as_ref().and_then(|error| TlsError::of(error)).map(TlsError::kind);
        self.words.borrow_mut().push(format!("lost {kind:?}"));
    }
    fn pause_writing(&self) {
        self.words.borrow_mut().push("pause".to_owned());
    }
    fn resume_writing(&self) {
        self.words.borrow_mut().push("resume".to_owned());
    }
}

#[test]
fn a_transport_is_upgraded_and_its_protocol_is_told_made_only_once() {
    let (tls, client) = both("here.test");
    run(async {
        let (server, record) = starttls_server(tls, false).await;
        let event_loop = get_running_loop();
        let (transport, story) =
            event_loop.create_connection(|| Rc::new(Story::default()), server.local_addrs()[0]).await.unwrap();
        transport.write(b"STARTTLS\n");
        story.until("go\n").await;
        let secure = event_loop.start_tls(Rc::clone(&transport), story.clone(), &client).server_hostname("here.test");
        let secure = secure.await.unwrap();
        assert!(secure.extra_info().tls().is_some());
        // Now any byte that the kernel did not take would pause writing.
        secure.set_write_buffer_limits(Some(0), None);
        secure.write(b"secret\n");
        story.until("bye\n").await;
        assert_eq!(kept(&record).await, Ok(b"secret\n".to_vec()));
        story.until("lost None").await;
        assert_eq!(*story.words.borrow(), ["made", "go\n", "bye\n", "lost None"]);
    });
}

#[test]
fn a_protocol_that_was_paused_before_the_upgrade_is_resumed_after_it() {
    let (tls, client) = both("here.test");
    run(async {
        // More than any kernel buffers take.
        const PLAIN: usize = 24 << 20;
        let handler = move |mut reader: StreamReader, writer: StreamWriter| {
            let tls = tls.clone();
            async move {
                // Leaves the other side paused for a while.
                sleep(Duration::from_millis(10)).await;
                reader.readexactly(PLAIN).await?;
                let (mut reader, writer) = start_tls(reader, writer, tls).hand_over_unread(true).await?;
                let line = reader.readline().await?;
                writer.write_all(&line).await?;
                io::Result::Ok(())
            }
        };
        let server = start_server(handler, "127.0.0.1:0").await.unwrap();
        let event_loop = get_running_loop();
        let (transport, story) =
            event_loop.create_connection(|| Rc::new(Story::default()), server.local_addrs()[0]).await.unwrap();
        transport.write(&vec![b'p'; PLAIN]);
        assert_eq!(*story.words.borrow(), ["made", "pause"], "the kernel did not take it all");
        let secure =
            event_loop.start_tls(transport, story.clone(), &client).server_hostname("here.test").await.unwrap();
        assert_eq!(*story.words.borrow(), ["made", "pause", "resume"]);
        secure.write(b"secret\n");
        story.until("secret\n").await;
    });
}

#[test]
fn a_failed_upgrade_of_a_transport_is_told_to_its_protocol() {
    let (tls, _) = both("here.test");
    let (_, stranger) = both("here.test");
    run(async {
        let (server, _record) = starttls_server(tls, false).await;
        let event_loop = get_running_loop();
        let (transport, story) =
            event_loop.create_connection(|| Rc::new(Story::default()), server.local_addrs()[0]).await.unwrap();
        transport.write(b"STARTTLS\n");
        story.until("go\n").await;
        let upgrade = event_loop.start_tls(Rc::clone(&transport), story.clone(), stranger);
        let error = upgrade.server_hostname("here.test").await.unwrap_err();
        assert_eq!(kind_of(&error), Some(TlsErrorKind::UnknownIssuer));
        assert_eq!(*story.words.borrow(), ["made", "go\n", "lost Some(UnknownIssuer)"]);
        assert!(transport.is_closing());
    });
}
