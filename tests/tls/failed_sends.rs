//! A failed send below a TLS session leaves what the peer has sent: data that waits for a paused reader, the end of
//! the session, and an alert with the reason.

use std::cell::RefCell;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::common::arrived::until_arrived;
use crate::common::bytes::pattern;
use crate::common::certificates::Authority;
use crate::common::files::Files;
use crate::common::free_address::free_address;
use crate::common::give_up::give_up_after;
use crate::common::links::Link;
use crate::common::processes::Process;
use crate::common::recorder::Recorder;
use crate::common::running::run;
use crate::common::settle::settle;
use crate::common::tls_peer::Peer;
use crate::common::until::until;
use crate::settings::kind_of;
use waterwheel::{
    ConnectionError, Promise, Protocol, StreamReader, StreamWriter, TlsClient, TlsErrorKind, TlsServer, Transport,
    get_running_loop, open_connection, sleep,
};

/// More than all buffers hold for a peer that reads nothing.
const MUCH: usize = 32 << 20;

const PATIENCE: Duration = Duration::from_secs(10);

/// A server that acts when told to, and then closes with our bytes unread: a reset.
struct Script {
    ours: Option<socket2::Socket>,
    answer: Vec<u8>,
    client: TlsClient,
    go: Sender<()>,
    gone: Receiver<()>,
}

impl Script {
    /// A server that completes the handshake and, when told to, answers, with or without ending the session.
    fn answering(link: Link, with_end: bool) -> Script {
        let authority = Authority::new();
        let identity = authority.sign(&["127.0.0.1"]);
        let server = TlsServer::new(&identity.chain, &identity.key).unwrap();
        Script::new(link, &authority, server, move |mut peer, may_go, answer| {
            peer.handshake().unwrap();
            may_go.recv_timeout(PATIENCE).unwrap();
            for record in answer.chunks(16 << 10) {
                peer.write(record).unwrap();
            }
            if with_end {
                peer.close_notify().unwrap();
            }
            until_arrived(peer.socket());
        })
    }

    /// A server that wants a certificate, which the client does not have. It says so when told to go on.
    fn refusing() -> Script {
        let authority = Authority::new();
        let identity = authority.sign(&["127.0.0.1"]);
        let server = TlsServer::requiring_client_certificates(&identity.chain, &identity.key, &authority.pem).unwrap();
        Script::new(Link::Tcp, &authority, server, |mut peer, may_go, _| {
            peer.answer_hello().unwrap();
            may_go.recv_timeout(PATIENCE).unwrap();
            assert!(peer.handshake().is_err(), "the client has no certificate");
            peer.flush().unwrap();
            until_arrived(peer.socket());
        })
    }

    fn new(
        link: Link,
        authority: &Authority,
        server: TlsServer,
        act: impl FnOnce(Peer, &Receiver<()>, &[u8]) + Send + 'static,
    ) -> Script {
        let linked = link.pair();
        let answer = pattern(linked.holds - linked.holds / 8);
        let (go, may_go) = channel();
        let (leave, gone) = channel();
        let text = answer.clone();
        thread::spawn(move || {
            act(Peer::on(TcpStream::from(linked.peer), server.rustls_config()), &may_go, &text);
            // By now the socket is closed.
            let _ = leave.send(());
        });
        let client = TlsClient::with_roots(&authority.pem).unwrap();
        Script { ours: Some(linked.ours), answer, client, go, gone }
    }

    /// A stream that has more to send, and whose send has failed because the server has answered and gone. Nothing of
    /// the answer is read yet, and the writer has seen the failure.
    async fn answered(&mut self) -> (StreamReader, StreamWriter) {
        let connecting = open_connection(self.ours.take().unwrap()).limit(1024).tls(&self.client);
        let (reader, writer) = connecting.server_hostname("127.0.0.1").await.unwrap();
        writer.write(&vec![b'q'; MUCH]);
        self.play();
        until("the send fails", || writer.is_closing()).await;
        settle().await;
        let drained = give_up_after(2, writer.drain()).await.expect("it does not wait for the reader");
        assert!(drained.is_err(), "the writer hears of it");
        (reader, writer)
    }

    /// Lets the server act and go, while the loop is held up.
    fn play(&self) {
        self.go.send(()).unwrap();
        self.gone.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn what_waits_for_a_reader_is_read_whole_after_the_send_failed() {
    run(async {
        for (link, with_end) in Link::BOTH.into_iter().flat_map(|link| [(link, true), (link, false)]) {
            let mut script = Script::answering(link, with_end);
            let (mut reader, writer) = script.answered().await;
            let answer = reader.readexactly(script.answer.len()).await;
            assert!(
                answer.unwrap_or_else(|error| panic!("{link:?}, with its end: {with_end}: {error}")) == script.answer
            );
            let end = reader.read(1).await;
            if with_end {
                assert_eq!(end.unwrap(), b"", "the session was ended in order");
                assert!(reader.at_eof());
            } else {
                assert!(end.is_err(), "the session was not ended");
            }
            assert!(writer.wait_closed().await.is_err(), "{link:?}, with its end: {with_end}");
        }
    });
}

#[test]
fn a_paused_protocol_is_told_all_that_came_and_then_of_the_failed_send() {
    run(async {
        let mut script = Script::answering(Link::Tcp, true);
        let recorder = Recorder::reacting(|word, this| {
            if word == "made" {
                this.transport().pause_reading();
            }
        });
        let (protocol, ours) = (Rc::clone(&recorder), script.ours.take().unwrap());
        let connecting = get_running_loop().create_connection(move || protocol, ours).tls(&script.client);
        let (transport, _) = connecting.server_hostname("127.0.0.1").await.unwrap();
        transport.write(&vec![b'q'; MUCH]);
        script.play();
        until("the send fails", || transport.is_closing()).await;
        settle().await;
        assert_eq!(recorder.words(), ["made", "pause"], "nothing comes while it is paused, nor is the connection lost");
        transport.resume_reading();
        let lost = recorder.lost.wait().await;
        assert!(*recorder.received.borrow() == script.answer, "{} bytes", recorder.received.borrow().len());
        assert!(lost.is_some(), "the send failed");
    });
}

#[test]
fn a_writer_that_is_dropped_over_its_failed_send_leaves_the_reader_all_that_came() {
    run(async {
        let mut script = Script::answering(Link::Tcp, true);
        let (mut reader, writer) = script.answered().await;
        drop(writer);
        let answer = reader.read_to_end().await;
        assert!(answer.unwrap_or_else(|error| panic!("the answer and its end are here: {error}")) == script.answer);
    });
}

/// A client's session over Unix sockets. The server has acted when this returns, and is still there if `act` returns
/// it.
async fn over_unix_sockets(
    accept_truncation: bool,
    act: impl FnOnce(Peer) -> Option<Peer> + Send + 'static,
) -> (StreamReader, StreamWriter, Option<Peer>) {
    let authority = Authority::new();
    let identity = authority.sign(&["127.0.0.1"]);
    let config = TlsServer::new(&identity.chain, &identity.key).unwrap().rustls_config();
    let linked = Link::Unix.pair();
    let peer = thread::spawn(move || {
        // A Unix socket in a `TcpStream`: reading and writing work for any kind of socket.
        let mut peer = Peer::on(TcpStream::from(linked.peer), config);
        peer.handshake().unwrap();
        act(peer)
    });
    let client = TlsClient::with_roots(&authority.pem).unwrap().accept_truncation(accept_truncation);
    let connecting = open_connection(linked.ours).tls(&client).server_hostname("127.0.0.1");
    let (reader, writer) = connecting.await.unwrap();
    (reader, writer, peer.join().unwrap())
}

#[test]
fn an_end_without_a_word_that_is_accepted_stays_one_after_a_failed_send() {
    run(async {
        let (mut reader, writer, _) = over_unix_sockets(true, |mut peer| {
            peer.write(b"answer").unwrap();
            None
        })
        .await;
        writer.write(b"more");
        let all = reader.read_to_end().await;
        assert_eq!(all.unwrap_or_else(|error| panic!("answer and end are here: {error}")), b"answer");
        assert!(reader.at_eof());
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_session_that_is_closed_after_its_send_failed_does_not_wait_for_a_peer_that_cannot_be_told() {
    run(async {
        let (reader, writer, peer) = over_unix_sockets(false, |peer| {
            // The server reads and sends nothing more.
            peer.socket().shutdown(Shutdown::Read).unwrap();
            Some(peer)
        })
        .await;
        writer.write(b"more");
        settle().await;
        assert!(writer.drain().await.is_err(), "the send failed");
        let transport = writer.transport();
        drop((reader, writer));
        until("the connection is lost", || transport.get_protocol().is_none()).await;
        drop(peer);
    });
}

#[test]
fn an_end_of_the_session_that_has_come_stays_one_whatever_fails_then() {
    run(async {
        for _ in 0..20 {
            let mut script = Script::answering(Link::Tcp, true);
            let connecting = open_connection(script.ours.take().unwrap()).tls(&script.client);
            let (mut reader, writer) = connecting.server_hostname("127.0.0.1").await.unwrap();
            // The server leaves this unread when it closes.
            writer.write(&[b'q'; 20_000]);
            script.play();
            // The loop has not polled yet: the first thing it notices is that the kernel refuses this write.
            writer.write(&[b'q'; 20_000]);
            let all = reader.read_to_end().await;
            assert!(all.unwrap_or_else(|error| panic!("reply and end are here: {error}")) == script.answer);
            assert!(reader.at_eof());
            assert!(writer.wait_closed().await.is_err());
        }
    });
}

#[test]
fn an_alert_that_has_come_is_told_and_not_that_the_next_send_failed() {
    run(async {
        for _ in 0..20 {
            let mut script = Script::refusing();
            let connecting = open_connection(script.ours.take().unwrap()).tls(&script.client);
            // With TLS 1.3, the client is done before the server has seen its certificate.
            let (mut reader, writer) = connecting.server_hostname("127.0.0.1").await.unwrap();
            writer.write(&[b'q'; 20_000]);
            script.play();
            writer.write(&[b'q'; 20_000]);
            let error = reader.read(1).await.unwrap_err();
            assert_eq!(kind_of(&error), Some(TlsErrorKind::Refused), "the reader is told: {error}");
            let error = writer.wait_closed().await.unwrap_err();
            assert_eq!(kind_of(&error), Some(TlsErrorKind::Refused), "the writer is told: {error}");
        }
    });
}

/// Records its callbacks, and the error in `connection_closing`.
#[derive(Default)]
struct Closing {
    words: RefCell<Vec<&'static str>>,
    told: Promise<Option<ConnectionError>>,
}

impl Protocol for Closing {
    fn connection_made(&self, _transport: Rc<dyn Transport>) {
        self.words.borrow_mut().push("made");
    }

    fn connection_closing(&self, error: Option<ConnectionError>) {
        self.words.borrow_mut().push("closing");
        let _ = self.told.set(error);
    }
}

#[test]
fn a_send_that_failed_during_the_handshake_is_told_with_its_error_when_the_handshake_is_done() {
    let authority = Authority::new();
    let identity = authority.sign(&["127.0.0.1"]);
    let config = TlsServer::new(&identity.chain, &identity.key).unwrap().rustls_config();
    let linked = Link::Unix.pair();
    let (tell, half_answered) = channel();
    let (go, may_go) = channel();
    let peer = thread::spawn(move || {
        let mut peer = Peer::on(TcpStream::from(linked.peer), config);
        // The client answers the server's first message with a message of its own, long before the handshake is done.
        // The kernel refuses that one, since the server no longer reads.
        peer.answer_hello_and_read_no_more(|| {
            tell.send(()).unwrap();
            may_go.recv_timeout(PATIENCE).unwrap();
        })
        .unwrap();
        peer
    });
    run(async move {
        let client = TlsClient::with_roots(&authority.pem).unwrap();
        let connecting = get_running_loop().create_task(async move {
            let connecting = get_running_loop().create_connection(|| Rc::new(Closing::default()), linked.ours);
            connecting.tls(&client).server_hostname("127.0.0.1").await
        });
        until("the server has sent a part of its answer", || half_answered.try_recv().is_ok()).await;
        settle().await;
        go.send(()).unwrap();
        let (_transport, protocol) = connecting.await.unwrap().unwrap();
        let error = protocol.told.wait().await.expect("closing has a reason: the failed send");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(*protocol.words.borrow(), ["made", "closing"]);
        drop(peer.join().unwrap());
    });
}

#[test]
fn openssl_that_wants_a_certificate_is_understood_in_every_run() {
    let authority = Authority::new();
    let identity = authority.sign(&["localhost"]);
    let files = Files::new("tls-required");
    let ca = files.put("ca.pem", &authority.pem);
    let (cert, key) = (files.put("cert.pem", &identity.chain), files.put("key.pem", &identity.key));
    let address = free_address();
    let mut command = Command::new("openssl");
    command.args(["s_server", "-quiet", "-cert", &cert, "-key", &key, "-CAfile", &ca, "-tls1_3", "-Verify", "1"]);
    command.args(["-verify_return_error", "-accept", &address.to_string()]);
    let _program = Process::start(&mut command);
    let tls = TlsClient::with_roots(&authority.pem).unwrap();
    run(async {
        for round in 1..=20 {
            let (mut reader, writer) = loop {
                match open_connection(address).tls(&tls).server_hostname("localhost").await {
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        sleep(Duration::from_millis(5)).await;
                    }
                    connected => break connected.unwrap(),
                }
            };
            // The loop is held up meanwhile: the first thing it notices is that the kernel refuses a send.
            while !writer.is_closing() {
                writer.write(&[b'q'; 20_000]);
                thread::sleep(Duration::from_millis(2));
            }
            for error in [reader.read(1).await.unwrap_err(), writer.wait_closed().await.unwrap_err()] {
                assert_eq!(kind_of(&error), Some(TlsErrorKind::Refused), "round {round}: {error}");
                assert!(error.to_string().contains("ertificate"), "round {round}: {error}");
            }
        }
    });
}
