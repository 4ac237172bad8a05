//! What the tests of behaviour share: a watchdog, a trace of words, a protocol that records, and a plain peer.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::Future;
use std::io::{self, ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use waterwheel::{
    AfterEof, ConnectionError, Incident, Promise, Protocol, StreamReader, StreamWriter, Transport, get_running_loop,
    open_connection, sleep, timeout, yield_now,
};

/// Ends the process if the test is not over in time, also when the loop itself hangs.
pub(crate) struct Watchdog(#[expect(dead_code, reason = "dropping it is what counts")] mpsc::Sender<()>);

pub(crate) fn watchdog() -> Watchdog {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        if receiver.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
            eprintln!("a test hangs");
            std::process::abort();
        }
    });
    Watchdog(sender)
}

/// Runs a test on a loop of its own.
pub(crate) fn run<F: Future>(main: F) -> F::Output {
    let _watchdog = watchdog();
    waterwheel::run(async { timeout(Duration::from_secs(30), main).await.expect("the test is over in time") })
}

/// Lets `n` turns pass.
pub(crate) async fn turns(n: usize) {
    for _ in 0..n {
        yield_now().await;
    }
}

/// Gives the loop time to look at its sockets, for what is expected not to happen: while something is ready, as in
/// [`turns`], it need not look.
pub(crate) async fn settle() {
    for _ in 0..3 {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until something is so, for a few seconds at the most.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came: {what}");
}

/// Words in the order in which they were said.
#[derive(Clone, Default)]
pub(crate) struct Trace(Rc<RefCell<Vec<String>>>);

impl Trace {
    pub(crate) fn say(&self, word: impl Into<String>) {
        self.0.borrow_mut().push(word.into());
    }

    /// A callback that says a word.
    pub(crate) fn saying(&self, word: &'static str) -> impl FnOnce() + 'static {
        let trace = self.clone();
        move || trace.say(word)
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    pub(crate) fn last_is(&self, word: &str) -> bool {
        self.0.borrow().last().is_some_and(|last| last == word)
    }

    /// Collects the incidents of the running loop, each by its message and the text of its panic or error.
    pub(crate) fn of_incidents() -> Trace {
        let trace = Trace::default();
        let heard = trace.clone();
        get_running_loop().set_exception_handler(move |incident: &Incident| {
            let text = incident.panic().map(str::to_owned).or(incident.error().map(ToString::to_string));
            heard.say(text.unwrap_or_else(|| incident.message().to_owned()));
        });
        trace
    }
}

type Reaction = Rc<dyn Fn(&str, &Recorder)>;

/// A protocol that says what it is told: made, data (once for any number in a row), eof, pause, resume, lost.
pub(crate) struct Recorder {
    pub(crate) trace: Trace,
    pub(crate) received: RefCell<Vec<u8>>,
    pub(crate) after_eof: Cell<AfterEof>,
    pub(crate) lost: Promise<Option<ErrorKind>>,
    transport: OnceCell<Rc<dyn Transport>>,
    reaction: RefCell<Option<Reaction>>,
}

impl Recorder {
    pub(crate) fn new() -> Rc<Recorder> {
        Rc::new(Recorder {
            trace: Trace::default(),
            received: RefCell::default(),
            after_eof: Cell::new(AfterEof::Close),
            lost: Promise::new(),
            transport: OnceCell::new(),
            reaction: RefCell::default(),
        })
    }

    /// Does something more when it is told something.
    pub(crate) fn reacting(reaction: impl Fn(&str, &Recorder) + 'static) -> Rc<Recorder> {
        let recorder = Recorder::new();
        recorder.react(reaction);
        recorder
    }

    pub(crate) fn react(&self, reaction: impl Fn(&str, &Recorder) + 'static) {
        self.reaction.replace(Some(Rc::new(reaction)));
    }

    pub(crate) fn transport(&self) -> &Rc<dyn Transport> {
        self.transport.get().expect("the connection was made")
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.trace.words()
    }

    fn told(&self, word: &str) {
        if !(word == "data" && self.trace.last_is("data")) {
            self.trace.say(word);
        }
        let reaction = self.reaction.borrow().clone();
        if let Some(reaction) = reaction {
            reaction(word, self);
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({:?})", self.words())
    }
}

impl Protocol for Recorder {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = self.transport.set(transport);
        self.told("made");
    }

    fn data_received(&self, data: &[u8]) {
        assert!(!data.is_empty(), "data comes with at least one byte");
        self.received.borrow_mut().extend_from_slice(data);
        self.told("data");
    }

    fn eof_received(&self) -> AfterEof {
        self.told("eof");
        self.after_eof.get()
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        let kind = error.map(|error| error.kind());
        let _ = self.lost.set(kind);
        match kind {
            None => self.told("lost"),
            Some(kind) => self.told(&format!("lost({kind:?})")),
        }
    }

    fn pause_writing(&self) {
        self.told("pause");
    }

    fn resume_writing(&self) {
        self.told("resume");
    }
}

/// Two connected sockets, both without a loop.
pub(crate) fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_nonblocking(true).unwrap();
    (ours, peer)
}

/// A connection with `protocol` at our end, and a plain non-blocking socket at the other.
pub(crate) async fn connect<P: Protocol + 'static>(protocol: Rc<P>) -> (Rc<dyn Transport>, TcpStream) {
    let (ours, peer) = sockets();
    let (transport, _) = get_running_loop().create_connection(move || protocol, ours).await.unwrap();
    (transport, peer)
}

/// A pair of streams, and a plain non-blocking socket at the other end.
pub(crate) async fn streams(limit: usize) -> (StreamReader, StreamWriter, TcpStream) {
    let (ours, peer) = sockets();
    let (reader, writer) = open_connection(ours).limit(limit).await.unwrap();
    (reader, writer, peer)
}

/// Reads what the peer gets until its end of the stream.
pub(crate) async fn read_to_end(mut peer: &TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match peer.read(&mut buffer) {
            Ok(0) => return Ok(all),
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(1)).await,
            Err(error) => return Err(error),
        }
    }
}

/// Reads exactly `n` bytes of what the peer gets.
pub(crate) async fn read_exactly(mut peer: &TcpStream, n: usize) -> Vec<u8> {
    let mut all = vec![0; n];
    let mut filled = 0;
    while filled < n {
        match peer.read(&mut all[filled..]) {
            Ok(0) => panic!("the stream ended after {filled} of {n} bytes"),
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(Duration::from_millis(1)).await,
            Err(error) => panic!("after {filled} of {n} bytes: {error}"),
        }
    }
    all
}

/// Closes so that the other end sees a reset.
pub(crate) fn reset(peer: TcpStream) {
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Bytes that show a loss, a repetition and a change of order.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n ^ (n >> 8) ^ (n >> 16)) as u8).collect()
}
