//! A transport that only records, and a writer on it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::IoSlice;
use std::rc::Rc;

use crate::constants::DEFAULT_LIMIT;
use crate::errors::ConnectionError;
use crate::event_loop::{get_running_loop, try_get_running_loop};
use crate::interface::{ExtraInfo, Protocol, Transport};
use crate::streams::{StreamProtocol, StreamWriter, pair};
use crate::transports::{Ending, FlowChange, FlowControl, Life, Phase};

/// A transport without a connection. It keeps the written bytes, and says what it was asked to do, so that a protocol
/// can be tested without sockets. The test plays the part of the peer: it calls `data_received` and `eof_received` of
/// the protocol, and [`lose`](RecordingTransport::lose) of the transport.
///
/// After a close or an abort, `connection_lost` comes in a later turn if a loop runs; where none does, the test calls
/// [`lose`](RecordingTransport::lose).
///
/// # Examples
///
/// ```
/// use std::cell::OnceCell;
/// use std::rc::Rc;
/// use waterwheel::testing::RecordingTransport;
/// use waterwheel::{Protocol, Transport};
///
/// #[derive(Default)]
/// struct Echo(OnceCell<Rc<dyn Transport>>);
///
/// impl Protocol for Echo {
///     fn connection_made(&self, transport: Rc<dyn Transport>) {
///         let _ = self.0.set(transport);
///     }
///     fn data_received(&self, data: &[u8]) {
///         let transport = self.0.get().expect("the connection was made");
///         transport.write(data);
///         if data == b"bye" {
///             transport.close();
///         }
///     }
/// }
///
/// let echo = Rc::new(Echo::default());
/// let transport = RecordingTransport::connect(echo.clone());
/// echo.data_received(b"hello");
/// assert_eq!(transport.take_written(), b"hello");
/// echo.data_received(b"bye");
/// assert!(transport.is_closing());
/// transport.lose(None);
/// ```
///
/// While it [holds](RecordingTransport::hold_writes) the written bytes, as if the peer did not read, the high-water and
/// low-water marks apply:
///
/// ```
/// # use std::{cell::Cell, rc::Rc};
/// # use waterwheel::{Protocol, Transport, testing::RecordingTransport};
/// #[derive(Default)]
/// struct Told(Cell<&'static str>);
///
/// impl Protocol for Told {
///     fn pause_writing(&self) {
///         self.0.set("pause");
///     }
///     fn resume_writing(&self) {
///         self.0.set("resume");
///     }
/// }
///
/// let told = Rc::new(Told::default());
/// let transport = RecordingTransport::connect(told.clone());
/// transport.set_write_buffer_limits(Some(4), None);
/// transport.hold_writes();
/// transport.write(b"hello");
/// assert_eq!((told.0.get(), transport.get_write_buffer_size()), ("pause", 5));
/// transport.release_writes();
/// assert_eq!((told.0.get(), transport.get_write_buffer_size()), ("resume", 0));
/// ```
pub struct RecordingTransport {
    life: Life<dyn Protocol>,
    flow: FlowControl,
    /// The bytes that were written and not taken out, the held ones last.
    written: RefCell<Vec<u8>>,
    /// How many bytes at the end of `written` the kernel would not have taken. Invariant: zero unless `holds`.
    held: Cell<usize>,
    holds: Cell<bool>,
    reads: Cell<bool>,
    has_ended: Cell<bool>,
    is_aborted: Cell<bool>,
}

impl RecordingTransport {
    /// Makes a transport for this protocol, whose `connection_made` is called at once. The two hold each other until
    /// the connection is lost.
    pub fn connect(protocol: Rc<dyn Protocol>) -> Rc<RecordingTransport> {
        let transport = Rc::new(RecordingTransport {
            life: Life::new(Rc::clone(&protocol)),
            flow: FlowControl::new(),
            written: RefCell::default(),
            held: Cell::new(0),
            holds: Cell::new(false),
            reads: Cell::new(true),
            has_ended: Cell::new(false),
            is_aborted: Cell::new(false),
        });
        protocol.connection_made(transport.clone());
        transport
    }

    /// Takes out all bytes written since the last call, whether they are held or not.
    pub fn take_written(&self) -> Vec<u8> {
        self.written.take()
    }

    /// Whether the protocol ended its side, with `write_eof`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    /// use waterwheel::{Protocol, Transport, testing::RecordingTransport};
    ///
    /// /// Asks one question, and ends its side to say that there are no more.
    /// struct Ask;
    ///
    /// impl Protocol for Ask {
    ///     fn connection_made(&self, transport: Rc<dyn Transport>) {
    ///         transport.write(b"time?");
    ///         transport.write_eof();
    ///     }
    /// }
    ///
    /// let transport = RecordingTransport::connect(Rc::new(Ask));
    /// assert_eq!(transport.take_written(), b"time?");
    /// assert!(transport.has_written_eof());
    /// assert!(!transport.is_closing()); // It waits for the answer.
    /// # transport.lose(None);
    /// ```
    pub fn has_written_eof(&self) -> bool {
        self.has_ended.get()
    }

    /// Whether the protocol gave the connection up, with `abort`.
    ///
    /// # Examples
    ///
    /// ```
    /// use waterwheel::{StreamWriter, testing::recorded_writer};
    ///
    /// /// Sends a page, or a reset if the page is incomplete: a peer that saw a clean end would take it for complete.
    /// fn send(writer: &StreamWriter, page: &[u8]) {
    ///     match page.strip_suffix(b"</html>") {
    ///         Some(_) => writer.write(page),
    ///         None => writer.abort(),
    ///     }
    /// }
    ///
    /// waterwheel::run(async {
    ///     let (writer, transport) = recorded_writer();
    ///     send(&writer, b"<html></html>");
    ///     assert!(!transport.is_aborted());
    ///     send(&writer, b"<html>");
    ///     assert!(transport.is_aborted());
    /// });
    /// ```
    pub fn is_aborted(&self) -> bool {
        self.is_aborted.get()
    }

    /// From now on, written bytes count as not sent, as if the peer did not read.
    pub fn hold_writes(&self) {
        self.holds.set(true);
    }

    /// The held bytes count as sent, and so do bytes written from now on. The protocol is told to resume, if it was
    /// told to pause.
    pub fn release_writes(&self) {
        self.holds.set(false);
        self.held.set(0);
        self.tell(self.flow.shrank(0));
        if self.life.phase() == Phase::Closing {
            self.end_soon(Ending::Closed);
        }
    }

    /// Loses the connection: calls the protocol's `connection_lost`, and lets go of the protocol. Nothing happens if
    /// the connection was already lost.
    pub fn lose(&self, error: Option<ConnectionError>) {
        if let Some(error) = error {
            let _ = self.life.begin_losing(Ending::Failed(error));
        }
        let (protocol, error) = self.life.end();
        self.held.set(0);
        if let Some(protocol) = protocol {
            protocol.connection_lost(error);
        }
    }

    fn tell(&self, change: Option<FlowChange>) {
        if let (Some(change), Some(protocol)) = (change, self.life.protocol()) {
            change.method().1(&*protocol);
        }
    }

    /// The end comes in a later turn, as from a transport of a loop.
    fn end_soon(&self, ending: Ending) {
        self.held.set(0);
        let was_over = self.life.begin_losing(ending).is_none();
        let Some(event_loop) = try_get_running_loop().filter(|_| !was_over) else { return };
        // The callback owns the protocol, so that a loop that is dropped before the call frees it.
        if let (Some(protocol), error) = self.life.end() {
            event_loop.call_soon(move || protocol.connection_lost(error));
        }
    }
}

impl Transport for RecordingTransport {
    fn write(&self, data: &[u8]) {
        assert!(!self.has_ended.get(), "nothing can be written after write_eof()");
        if self.life.is_over() {
            return;
        }
        self.written.borrow_mut().extend_from_slice(data);
        if self.holds.get() {
            self.held.set(self.held.get() + data.len());
            self.tell(self.flow.grew(self.held.get()));
        }
    }

    fn writelines(&self, parts: &[IoSlice<'_>]) {
        parts.iter().for_each(|part| self.write(part));
    }

    fn can_write_eof(&self) -> bool {
        true
    }

    fn write_eof(&self) {
        self.has_ended.set(true);
    }

    fn close(&self) {
        if self.life.begin_closing() && self.held.get() == 0 {
            self.end_soon(Ending::Closed);
        }
    }

    fn abort(&self) {
        if !self.life.is_over() {
            self.is_aborted.set(true);
            self.end_soon(Ending::Aborted);
        }
    }

    fn is_closing(&self) -> bool {
        !self.life.is_open()
    }

    fn pause_reading(&self) {
        self.reads.set(false);
    }

    fn resume_reading(&self) {
        self.reads.set(true);
    }

    fn is_reading(&self) -> bool {
        self.reads.get() && self.life.is_open()
    }

    fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) {
        self.flow.set_limits(high, low);
        self.tell(self.flow.changed(self.held.get()));
    }

    fn get_write_buffer_limits(&self) -> (usize, usize) {
        self.flow.limits()
    }

    fn get_write_buffer_size(&self) -> usize {
        self.held.get()
    }

    fn is_writing_paused(&self) -> bool {
        self.flow.is_paused()
    }

    fn pause_until_sent(&self) -> bool {
        let waits = self.held.get() > 0;
        if waits {
            self.tell(self.flow.pause_until_sent());
        }
        waits
    }

    fn extra_info(&self) -> ExtraInfo {
        ExtraInfo { peername: None, sockname: None, socket: None, pipe: None, layer: None }
    }

    fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        self.life.set_protocol(protocol);
    }

    fn get_protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.life.protocol()
    }
}

impl fmt::Debug for RecordingTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingTransport")
            .field("phase", &self.life.phase())
            .field("written", &self.written.borrow().len())
            .field("held", &self.held.get())
            .finish_non_exhaustive()
    }
}

/// A writer on a [`RecordingTransport`], on the running loop, for testing code that is given only a writer.
///
/// # Panics
///
/// Where no loop runs.
///
/// # Examples
///
/// ```
/// use waterwheel::StreamWriter;
/// use waterwheel::testing::recorded_writer;
///
/// async fn greet(writer: &StreamWriter) -> std::io::Result<()> {
///     writer.write(b"hello, ");
///     writer.write(b"world\n");
///     writer.drain().await
/// }
///
/// waterwheel::run(async {
///     let (writer, transport) = recorded_writer();
///     greet(&writer).await?;
///     assert_eq!(transport.take_written(), b"hello, world\n");
///     std::io::Result::Ok(())
/// })
/// # .unwrap()
/// ```
#[track_caller]
pub fn recorded_writer() -> (StreamWriter, Rc<RecordingTransport>) {
    let protocol = StreamProtocol::new(Some(get_running_loop()), DEFAULT_LIMIT, None);
    let transport = RecordingTransport::connect(protocol.clone());
    let (reader, writer) = pair(protocol, transport.clone());
    drop(reader);
    (writer, transport)
}
