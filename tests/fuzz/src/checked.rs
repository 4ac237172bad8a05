//! A protocol that checks how it is called: the grammar of its callbacks, which is the same over a plain transport and
//! over TLS.
//!
//! `connection_made` comes once, then data, the end at most once, and `connection_lost` once. No data and no end comes
//! while reading is paused, after a close, or from inside a call of the transport. The bytes are those of the pattern,
//! in order, and pauses and resumes of writing alternate. The target's [`Story`] checks what only one kind of
//! connection can know, such as whether the peer has ended.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use waterwheel::{AfterEof, BufferedProtocol, ConnectionError, Protocol, ReceiveBuffer, Transport};

use crate::pattern::assert_pattern;

/// What a target adds to the grammar.
pub(crate) trait Story: 'static {
    fn course(&self) -> &Course;

    /// Makes the calls that the input wants in the protocol's next callback.
    fn react(&self);

    /// Bytes have been received, `received` of them since the beginning.
    fn came(&self, _received: usize) {}

    /// Checks that the end that was received is the peer's, after everything that it sent.
    fn check_end(&self);

    /// The connection is lost. Checks that it had a reason to end this way.
    fn check_lost(&self, error: Option<&ConnectionError>);
}

/// The state of a connection, as its protocol and its user know it.
#[derive(Default)]
pub(crate) struct Course {
    transport: OnceCell<Rc<dyn Transport>>,
    /// The size of the protocol's own buffer. Without one, it takes the buffer that the loop lends.
    own_buffer: Option<usize>,
    /// Whether the connection goes on after the peer's end.
    keeps_open: bool,
    /// Whether the user is calling the transport.
    in_call: Cell<bool>,
    received: Cell<usize>,
    ended_by_us: Cell<bool>,
    aborted: Cell<bool>,
    reading_paused: Cell<bool>,
    writing_paused: Cell<bool>,
    got_eof: Cell<bool>,
    got_closing: Cell<bool>,
    got_lost: Cell<bool>,
}

impl Course {
    pub(crate) fn new(own_buffer: Option<u8>, keeps_open: bool) -> Course {
        Course { own_buffer: own_buffer.map(|room| 64 + usize::from(room).pow(2)), keeps_open, ..Course::default() }
    }

    pub(crate) fn transport(&self) -> Option<&Rc<dyn Transport>> {
        self.transport.get()
    }

    pub(crate) fn keeps_open(&self) -> bool {
        self.keeps_open
    }

    pub(crate) fn received(&self) -> usize {
        self.received.get()
    }

    pub(crate) fn in_call(&self) -> bool {
        self.in_call.get()
    }

    pub(crate) fn ended_by_us(&self) -> bool {
        self.ended_by_us.get()
    }

    pub(crate) fn aborted(&self) -> bool {
        self.aborted.get()
    }

    pub(crate) fn writing_paused(&self) -> bool {
        self.writing_paused.get()
    }

    pub(crate) fn got_eof(&self) -> bool {
        self.got_eof.get()
    }

    pub(crate) fn got_closing(&self) -> bool {
        self.got_closing.get()
    }

    pub(crate) fn got_lost(&self) -> bool {
        self.got_lost.get()
    }

    /// Calls the transport, if there is one. Until the call returns, only `pause_writing`, `resume_writing` and
    /// `connection_closing` may be called.
    pub(crate) fn calling(&self, call: impl FnOnce(&Rc<dyn Transport>)) {
        let Some(transport) = self.transport.get() else { return };
        let was_in_call = self.in_call.replace(true);
        call(transport);
        self.in_call.set(was_in_call);
    }

    pub(crate) fn close(&self) {
        self.calling(|transport| {
            // Nothing may be received from now on.
            self.ended_by_us.set(true);
            transport.close();
            assert!(transport.is_closing());
        });
    }

    pub(crate) fn abort(&self) {
        self.calling(|transport| {
            self.ended_by_us.set(true);
            self.aborted.set(true);
            transport.abort();
            assert!(transport.is_closing());
            assert_eq!(transport.get_write_buffer_size(), 0, "what was unsent is given up");
        });
    }

    pub(crate) fn pause_reading(&self) {
        self.calling(|transport| {
            transport.pause_reading();
            self.reading_paused.set(true);
            assert!(!transport.is_reading());
        });
    }

    pub(crate) fn resume_reading(&self) {
        self.calling(|transport| {
            transport.resume_reading();
            self.reading_paused.set(false);
        });
    }

    /// Checks that the protocol may receive bytes or the end now.
    fn check_coming(&self) {
        assert!(self.transport.get().is_some(), "connection_made comes first");
        assert!(!self.got_eof.get() && !self.got_lost.get(), "nothing comes behind the end");
        assert!(!self.in_call.get(), "what comes is told by the loop");
        assert!(!self.reading_paused.get(), "it comes while reading is paused");
        assert!(!self.ended_by_us.get(), "it comes after a close");
    }
}

/// The protocol that the transport gets.
pub(crate) struct Checked<S>(pub(crate) Rc<S>);

impl<S: Story> Checked<S> {
    fn came(&self, data: &[u8]) {
        let course = self.0.course();
        course.check_coming();
        assert!(!data.is_empty());
        let from = course.received.get();
        assert_pattern(data, from, "received");
        course.received.set(from + data.len());
        self.0.came(from + data.len());
        self.0.react();
    }
}

impl<S: Story> Protocol for Checked<S> {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        assert!(self.0.course().transport.set(transport).is_ok(), "connection_made comes once");
        self.0.react();
    }

    fn data_received(&self, data: &[u8]) {
        assert!(self.0.course().own_buffer.is_none());
        self.came(data);
    }

    fn eof_received(&self) -> AfterEof {
        let course = self.0.course();
        course.check_coming();
        course.got_eof.set(true);
        self.0.check_end();
        self.0.react();
        if course.keeps_open { AfterEof::KeepOpen } else { AfterEof::Close }
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        let course = self.0.course();
        let transport = course.transport.get().expect("who was told of no connection loses none");
        assert!(!course.got_lost.replace(true), "connection_lost comes once");
        assert!(!course.in_call.get(), "connection_lost comes from the loop");
        assert!(transport.is_closing() && !transport.is_reading());
        let has_ended = course.ended_by_us.get() || course.got_eof.get();
        assert!(error.is_some() || has_ended, "it was lost for no reason");
        self.0.check_lost(error.as_ref());
        self.0.react();
    }

    fn pause_writing(&self) {
        let course = self.0.course();
        assert!(!course.writing_paused.replace(true), "pause_writing alternates");
        assert!(!course.got_lost.get());
        self.0.react();
    }

    fn resume_writing(&self) {
        let course = self.0.course();
        assert!(course.writing_paused.replace(false), "resume_writing alternates");
        assert!(!course.got_lost.get());
        self.0.react();
    }

    fn connection_closing(&self, _error: Option<ConnectionError>) {
        let course = self.0.course();
        assert!(!course.got_closing.replace(true) && !course.got_lost.get(), "connection_closing comes once");
        assert!(course.transport.get().expect("connection_made comes first").is_closing());
        self.0.react();
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.0.course().own_buffer.map(|_| self as &dyn BufferedProtocol)
    }
}

impl<S: Story> BufferedProtocol for Checked<S> {
    fn get_buffer(&self) -> ReceiveBuffer {
        ReceiveBuffer::new(self.0.course().own_buffer.expect("it has a size"))
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        assert_eq!(buffer.filled().len(), received);
        if received > 0 {
            self.came(buffer.filled());
        }
    }
}
