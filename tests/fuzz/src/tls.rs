//! TLS over a connection of which the input chooses how the peer's bytes are cut, and what somebody does to them on the
//! way. The peer is rustls itself.
//!
//! What is checked: whatever arrives is what the peer wrote, from the beginning, and so the other way round; an end that
//! is told as one has come behind all of it; nobody who leaves the bytes alone sees an error.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arbitrary::Arbitrary;
use waterwheel::rustls::client::Resumption;
use waterwheel::rustls::server::NoServerSessionStorage;
use waterwheel::rustls::version::{TLS12, TLS13};
use waterwheel::rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use waterwheel::{
    AfterEof, BufferedProtocol, ConnectionError, Protocol, ReceiveBuffer, TlsClient, TlsServer, Transport,
};

use crate::pattern::{assert_pattern, pattern};
use crate::world::{HERE, IncomingEnd, Wire, World};

/// Either side sends no more when it has sent this.
const MOST: usize = 1 << 20;

/// Who is who, what happens, and what the protocol does from inside its callbacks.
#[derive(Debug, Arbitrary)]
pub struct Input {
    we_serve: bool,
    is_tls12: bool,
    /// There is no room for what we send until a step makes some.
    is_narrow: bool,
    /// The room of the protocol's own buffer; without one it takes what the loop lends.
    own_buffer: Option<u8>,
    steps: Vec<Step>,
    reactions: Vec<Call>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Turn,
    Call(Call),
    PeerWrites(Size),
    PeerNotifies,
    PeerEnds,
    PeerResets,
    /// So many bytes of what the peer has sent arrive.
    Arrives(u8),
    /// Everything arrives, both ways, until nobody has anything to say.
    Exchange,
    Room(Size),
    Chop(u8),
    Tamper(Tampering),
}

/// What somebody on the way does to the bytes that have not arrived.
#[derive(Debug, Arbitrary)]
enum Tampering {
    Flip { at: u16, bits: u8 },
    Lose { at: u16, n: u8 },
    Insert { at: u16, bytes: Vec<u8> },
    LoseRecord(u8),
    RepeatRecord(u8),
    SwapRecords(u8),
    ForgeRecord { kind: Kind, body: Vec<u8> },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Kind {
    ChangeCipherSpec = 20,
    Alert = 21,
    Handshake = 22,
    ApplicationData = 23,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Call {
    Write(Size),
    Close,
    Abort,
    PauseReading,
    ResumeReading,
    Nothing,
}

/// A number of bytes: mostly few, and at times several records.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Size(u8);

impl Size {
    fn get(self) -> usize {
        usize::from(self.0).pow(3) / 160
    }
}

/// Both parties' settings: of a TLS 1.2 peer, and of a TLS 1.3 one.
struct Settings {
    server: TlsServer,
    client: TlsClient,
    peers: [(Arc<ServerConfig>, Arc<ClientConfig>); 2],
}

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    let (chain, key) = (identity.cert.pem(), identity.signing_key.serialize_pem());
    // Nothing is remembered from one connection for the next, so that each input does the same each time.
    let mut server = (*TlsServer::new(&chain, &key).expect("a good identity").rustls_config()).clone();
    server.session_storage = Arc::new(NoServerSessionStorage {});
    let mut client = (*TlsClient::with_roots(&chain).expect("a good root").rustls_config()).clone();
    client.resumption = Resumption::disabled();
    let peers = [&TLS12, &TLS13].map(|version| {
        let mut roots = waterwheel::rustls::RootCertStore::empty();
        roots.add(identity.cert.der().clone()).expect("a good root");
        let mut peer = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots)
            .with_no_client_auth();
        peer.resumption = Resumption::disabled();
        let key = identity.signing_key.serialize_der().try_into().expect("a good key");
        let mut serving = ServerConfig::builder_with_protocol_versions(&[version])
            .with_no_client_auth()
            .with_single_cert(vec![identity.cert.der().clone()], key)
            .expect("a good identity");
        serving.session_storage = Arc::new(NoServerSessionStorage {});
        (Arc::new(serving), Arc::new(peer))
    });
    Settings { server: Arc::new(server).into(), client: Arc::new(client).into(), peers }
});

/// The peer, and what is on its way from it.
struct Peer {
    engine: Connection,
    on_the_way: Vec<u8>,
    wrote: usize,
    read: usize,
    has_notified: bool,
    has_ended: bool,
    has_failed: bool,
    was_tampered_with: bool,
}

impl Peer {
    fn new(input: &Input) -> Peer {
        let (server, client) = &SETTINGS.peers[usize::from(!input.is_tls12)];
        let mut engine: Connection = if input.we_serve {
            let name = "localhost".try_into().expect("a name");
            ClientConnection::new(Arc::clone(client), name).expect("good settings").into()
        } else {
            ServerConnection::new(Arc::clone(server)).expect("good settings").into()
        };
        engine.set_buffer_limit(None);
        Peer {
            engine,
            on_the_way: Vec::new(),
            wrote: 0,
            read: 0,
            has_notified: false,
            has_ended: false,
            has_failed: false,
            was_tampered_with: false,
        }
    }

    fn may_send(&self) -> bool {
        !self.has_notified && !self.has_ended && !self.has_failed
    }

    /// Whether what we are told can only be good.
    fn is_blameless(&self) -> bool {
        !self.was_tampered_with && (self.has_notified || !self.has_ended)
    }

    fn pump(&mut self) {
        while self.engine.wants_write() {
            self.engine.write_tls(&mut self.on_the_way).expect("memory takes all");
        }
    }

    /// Reads what we have sent.
    fn hear(&mut self, wire: &Wire, written: usize) {
        let sent = wire.take_sent();
        let mut sent = sent.as_slice();
        while !sent.is_empty() && !self.has_failed {
            if self.engine.read_tls(&mut sent).expect("memory gives all") == 0 {
                // It has been told of the end, and hears nothing behind it, such as an alert.
                break;
            }
            if let Err(error) = self.engine.process_new_packets() {
                assert!(self.was_tampered_with, "what we sent is no TLS: {error}");
                self.has_failed = true;
            }
            let mut plain = Vec::new();
            // An end without close_notify is no matter here.
            let _ = self.engine.reader().read_to_end(&mut plain);
            assert_pattern(&plain, self.read, "sent");
            self.read += plain.len();
            assert!(self.read <= written);
        }
        self.pump();
    }

    /// So many bytes arrive.
    fn arrives(&mut self, wire: &Wire, n: usize) {
        if !self.has_ended {
            let n = n.min(self.on_the_way.len());
            wire.comes(self.on_the_way.drain(..n).collect());
        }
    }

    fn ends(&mut self, wire: &Wire, end: IncomingEnd) {
        if !self.has_ended {
            // What did not arrive before its end is lost.
            self.was_tampered_with |= end == IncomingEnd::Reset || !self.on_the_way.is_empty();
            self.has_ended = true;
            wire.ends(end);
        }
    }

    /// Where each record begins, and the end of the last one.
    fn records(&self) -> Vec<usize> {
        let mut places = vec![0];
        let mut at = 0;
        while let Some(&[_, _, _, high, low]) = self.on_the_way.get(at..at + 5) {
            at += 5 + usize::from(u16::from_be_bytes([high, low]));
            places.push(at);
            if at >= self.on_the_way.len() {
                break;
            }
        }
        places.retain(|&place| place <= self.on_the_way.len());
        places
    }

    fn tamper(&mut self, tampering: &Tampering) {
        let len = self.on_the_way.len();
        let records = self.records();
        let record = |number: u8| match records.len() - 1 {
            0 => None,
            count => Some(records[usize::from(number) % count]..records[usize::from(number) % count + 1]),
        };
        let before = self.on_the_way.clone();
        match tampering {
            Tampering::Flip { at, bits } if len > 0 => self.on_the_way[usize::from(*at) % len] ^= bits,
            Tampering::Lose { at, n } if len > 0 => {
                let at = usize::from(*at) % len;
                self.on_the_way.drain(at..(at + usize::from(*n)).min(len));
            }
            Tampering::Insert { at, bytes } => {
                let at = usize::from(*at) % (len + 1);
                self.on_the_way.splice(at..at, bytes.iter().copied());
            }
            Tampering::LoseRecord(number) => drop(record(*number).map(|record| self.on_the_way.drain(record))),
            Tampering::RepeatRecord(number) => {
                if let Some(record) = record(*number) {
                    let repeated = self.on_the_way[record.clone()].to_vec();
                    self.on_the_way.splice(record.end..record.end, repeated);
                }
            }
            Tampering::SwapRecords(number) => {
                if let (Some(first), Some(second)) = (record(*number), record(number.wrapping_add(1))) {
                    if first.end == second.start {
                        self.on_the_way[first.start..second.end].rotate_left(first.len());
                    }
                }
            }
            Tampering::ForgeRecord { kind, body } => {
                let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
                let head = [*kind as u8, 3, 3].into_iter().chain(len.to_be_bytes());
                self.on_the_way.splice(0..0, head.chain(body.iter().copied().take(len.into())));
            }
            _ => {}
        }
        self.was_tampered_with |= self.on_the_way != before;
    }
}

/// What has become of the connection, as the protocol knows it.
struct Story {
    peer: RefCell<Peer>,
    transport: OnceCell<Rc<dyn Transport>>,
    reactions: RefCell<std::vec::IntoIter<Call>>,
    own_buffer: Option<usize>,
    in_call: Cell<bool>,
    written: Cell<usize>,
    received: Cell<usize>,
    ended_by_us: Cell<bool>,
    aborted: Cell<bool>,
    reading_paused: Cell<bool>,
    writing_paused: Cell<bool>,
    got_eof: Cell<bool>,
    got_closing: Cell<bool>,
    got_lost: Cell<bool>,
}

impl Story {
    fn react(&self) {
        let call = self.reactions.borrow_mut().next();
        call.iter().for_each(|&call| self.call(call));
    }

    fn call(&self, call: Call) {
        let Some(transport) = self.transport.get() else { return };
        let was_in_call = self.in_call.replace(true);
        match call {
            Call::Write(size) if self.written.get() < MOST && !transport.is_closing() => {
                let bytes = pattern(self.written.get(), size.get());
                self.written.set(self.written.get() + bytes.len());
                transport.write(&bytes);
            }
            Call::Close => {
                self.ended_by_us.set(true);
                transport.close();
                assert!(transport.is_closing());
            }
            Call::Abort => {
                self.ended_by_us.set(true);
                self.aborted.set(true);
                transport.abort();
                assert!(transport.is_closing());
            }
            Call::PauseReading => {
                transport.pause_reading();
                self.reading_paused.set(true);
                assert!(!transport.is_reading());
            }
            Call::ResumeReading => {
                transport.resume_reading();
                self.reading_paused.set(false);
            }
            Call::Write(_) | Call::Nothing => {}
        }
        self.in_call.set(was_in_call);
    }

    fn came(&self, data: &[u8]) {
        assert!(!self.got_eof.get() && !self.got_lost.get(), "nothing comes behind the end");
        assert!(!self.in_call.get() && !self.reading_paused.get() && !self.ended_by_us.get());
        assert!(!data.is_empty());
        assert_pattern(data, self.received.get(), "received");
        self.received.set(self.received.get() + data.len());
        assert!(self.received.get() <= self.peer.borrow().wrote);
    }
}

/// What the transport is given.
struct Told(Rc<Story>);

impl Protocol for Told {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        assert!(self.0.transport.set(transport).is_ok(), "connection_made comes once");
        self.0.react();
    }

    fn data_received(&self, data: &[u8]) {
        assert!(self.0.own_buffer.is_none());
        self.0.came(data);
        self.0.react();
    }

    fn eof_received(&self) -> AfterEof {
        let story = &*self.0;
        assert!(!story.got_eof.replace(true) && !story.got_lost.get(), "the end comes once");
        assert!(!story.in_call.get() && !story.reading_paused.get() && !story.ended_by_us.get());
        let peer = story.peer.borrow();
        assert!(peer.has_notified && story.received.get() == peer.wrote, "a part was taken for the whole");
        drop(peer);
        story.react();
        AfterEof::KeepOpen
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        let story = &*self.0;
        assert!(story.transport.get().is_some(), "who was told of no connection loses none");
        assert!(!story.got_lost.replace(true), "connection_lost comes once");
        assert!(!story.in_call.get(), "connection_lost comes from the loop");
        match error {
            None => assert!(story.ended_by_us.get() || story.got_eof.get(), "it was lost for no reason"),
            Some(error) => assert!(!story.peer.borrow().is_blameless(), "nobody has done anything: {error}"),
        }
        story.react();
    }

    fn pause_writing(&self) {
        assert!(!self.0.writing_paused.replace(true) && !self.0.got_lost.get(), "pause_writing alternates");
        self.0.react();
    }

    fn resume_writing(&self) {
        assert!(self.0.writing_paused.replace(false) && !self.0.got_lost.get(), "resume_writing alternates");
        self.0.react();
    }

    fn connection_closing(&self, _error: Option<ConnectionError>) {
        assert!(!self.0.got_closing.replace(true) && !self.0.got_lost.get(), "connection_closing comes once");
        self.0.react();
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.0.own_buffer.map(|_| self as &dyn BufferedProtocol)
    }
}

impl BufferedProtocol for Told {
    fn get_buffer(&self) -> ReceiveBuffer {
        ReceiveBuffer::new(self.0.own_buffer.expect("it has a size"))
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        assert_eq!(buffer.filled().len(), received);
        if received > 0 {
            self.0.came(buffer.filled());
            self.0.react();
        }
    }
}

/// Everything arrives, both ways, until nobody has anything to say.
fn exchange(world: &mut World, story: &Story) {
    for _ in 0..1000 {
        let mut peer = story.peer.borrow_mut();
        peer.pump();
        let n = peer.on_the_way.len();
        peer.arrives(&world.wire, n);
        drop(peer);
        world.settle();
        if world.wire.sent().is_empty() {
            return;
        }
        story.peer.borrow_mut().hear(&world.wire, story.written.get());
    }
    panic!("the two parties never have enough");
}

fn step(world: &mut World, story: &Story, step: &Step) {
    let wire = world.wire.clone();
    let mut peer = story.peer.borrow_mut();
    match step {
        Step::PeerWrites(size) if peer.may_send() && peer.wrote < MOST => {
            let bytes = pattern(peer.wrote, size.get());
            peer.engine.writer().write_all(&bytes).expect("there is no limit");
            peer.wrote += bytes.len();
            peer.pump();
        }
        Step::PeerNotifies if peer.may_send() && !peer.engine.is_handshaking() => {
            peer.engine.send_close_notify();
            peer.has_notified = true;
            peer.pump();
        }
        Step::PeerEnds => peer.ends(&wire, IncomingEnd::Ended),
        Step::PeerResets => peer.ends(&wire, IncomingEnd::Reset),
        Step::Arrives(n) => {
            peer.hear(&wire, story.written.get());
            peer.arrives(&wire, usize::from(*n).pow(2));
        }
        Step::Room(size) => wire.make_room(size.get()),
        Step::Chop(most) => wire.chop(usize::from(*most).pow(2)),
        Step::Tamper(tampering) => peer.tamper(tampering),
        Step::Turn | Step::Call(_) | Step::Exchange => {
            drop(peer);
            match step {
                Step::Call(call) => story.call(*call),
                Step::Exchange => exchange(world, story),
                _ => world.turn(),
            }
        }
        _ => {}
    }
}

/// Does what the input says with a connection.
pub fn check(input: Input) {
    let mut world = World::new();
    let wire = world.wire.clone();
    let story = Rc::new(Story {
        peer: RefCell::new(Peer::new(&input)),
        transport: OnceCell::new(),
        reactions: RefCell::new(input.reactions.clone().into_iter()),
        own_buffer: input.own_buffer.map(|room| 64 + usize::from(room).pow(2)),
        in_call: Cell::new(false),
        written: Cell::new(0),
        received: Cell::new(0),
        ended_by_us: Cell::new(false),
        aborted: Cell::new(false),
        reading_paused: Cell::new(false),
        writing_paused: Cell::new(false),
        got_eof: Cell::new(false),
        got_closing: Cell::new(false),
        got_lost: Cell::new(false),
    });
    let (told, handle) = (Rc::clone(&story), world.event_loop.handle());
    let connected = Rc::new(OnceCell::new());
    let answer = Rc::clone(&connected);
    let task = if input.we_serve {
        wire.calls();
        handle.clone().create_task(async move {
            let server = handle.create_server(move || Rc::new(Told(Rc::clone(&told))), HERE).tls(&SETTINGS.server);
            let server = server.await.expect("this network refuses nobody");
            // It stays until the end.
            std::future::pending::<()>().await;
            drop(server);
        })
    } else {
        handle.clone().create_task(async move {
            let connection = handle.create_connection(move || Rc::new(Told(told)), HERE).tls(&SETTINGS.client);
            let made = connection.server_hostname("localhost").await.map(drop);
            let _ = answer.set(made);
        })
    };
    world.turn();
    if !input.is_narrow {
        wire.make_room(usize::MAX);
    }
    for one in &input.steps {
        step(&mut world, &story, one);
    }
    finish(&mut world, &story);
    if let Some(made) = connected.get() {
        assert_eq!(
            made.is_ok(),
            story.transport.get().is_some(),
            "who is told {made:?} knows the same as the protocol"
        );
    } else {
        assert!(input.we_serve, "connecting does not end");
    }
    drop(task);
    drop(world);
    let weak = Rc::downgrade(&story);
    drop(story);
    assert_eq!(weak.strong_count(), 0, "what is lost is held by nobody");
}

/// From here on nothing stands in the way: all that is under way arrives, and the connection ends.
fn finish(world: &mut World, story: &Story) {
    let wire = world.wire.clone();
    story.reactions.replace(Vec::new().into_iter());
    wire.make_room(usize::MAX);
    story.call(Call::ResumeReading);
    exchange(world, story);
    let is_blameless = |peer: &Peer| peer.is_blameless() && !story.aborted.get();
    if is_blameless(&story.peer.borrow()) {
        assert!(story.transport.get().is_some(), "nobody has done anything, and there is no connection");
        let peer = story.peer.borrow();
        assert!(story.ended_by_us.get() || story.received.get() == peer.wrote, "all that the peer wrote has come");
        assert!(peer.has_ended || peer.read == story.written.get(), "all that we wrote has gone");
    }
    let mut peer = story.peer.borrow_mut();
    if peer.may_send() {
        peer.engine.send_close_notify();
        peer.has_notified = true;
    }
    drop(peer);
    exchange(world, story);
    let mut peer = story.peer.borrow_mut();
    if is_blameless(&peer) {
        assert!(story.got_lost.get(), "both have ended the session, and the connection goes on");
        assert!(story.got_eof.get() || story.ended_by_us.get());
    }
    peer.ends(&wire, IncomingEnd::Ended);
    drop(peer);
    world.settle();
    // The longest of the timeouts.
    world.clock.advance(Duration::from_secs(61));
    world.settle();
    assert!(story.got_lost.get() || story.transport.get().is_none(), "the connection does not end");
    assert!(wire.is_gone(), "the connection is not closed");
}
