//! The state of a connection as its user knows it, and the calls that the user makes.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::rc::Rc;

use waterwheel::{ConnectionError, Transport};

use super::input::{Call, Input};
use crate::checked;
use crate::checked::Course;
use crate::pattern::{assert_pattern, pattern};
use crate::world::{IncomingEnd, Wire};

/// A side that has sent this much sends no more.
pub(super) const MOST: usize = 4 << 20;

/// The connection: its protocol's callbacks, what was written, and the wire.
pub(super) struct Story {
    pub(super) course: Course,
    wire: Wire,
    pub(super) reactions: RefCell<VecDeque<Vec<Call>>>,
    pub(super) written: Cell<usize>,
    checked: Cell<usize>,
    eof_written: Cell<bool>,
}

impl Story {
    pub(super) fn new(input: &mut Input, wire: Wire) -> Story {
        Story {
            course: Course::new(input.own_buffer, input.keeps_open),
            wire,
            reactions: RefCell::new(std::mem::take(&mut input.reactions).into()),
            written: Cell::new(0),
            checked: Cell::new(0),
            eof_written: Cell::new(false),
        }
    }

    pub(super) fn transport(&self) -> &Rc<dyn Transport> {
        self.course.transport().expect("connection_made comes first")
    }

    pub(super) fn call(&self, call: &Call) {
        let course = &self.course;
        match call {
            Call::Write(size) => self.write(size.get(), |transport, bytes| transport.write(bytes)),
            Call::WriteLines(sizes) => {
                let total = sizes.iter().map(|size| size.get()).sum();
                self.write(total, |transport, bytes| {
                    let mut rest = bytes;
                    let mut parts = Vec::new();
                    for size in sizes {
                        let (part, behind) = rest.split_at(size.get());
                        parts.push(IoSlice::new(part));
                        rest = behind;
                    }
                    transport.writelines(&parts);
                });
            }
            Call::WriteSome(size) => self.write_some(size.get()),
            Call::WriteEof => course.calling(|transport| {
                // Not even callbacks from inside this call may write any more.
                self.eof_written.set(true);
                transport.write_eof();
            }),
            Call::Close => course.close(),
            Call::Abort => course.abort(),
            Call::PauseReading => course.pause_reading(),
            Call::ResumeReading => course.resume_reading(),
            Call::Limits(high, low) => course.calling(|transport| {
                let [high, low] = [high, low].map(|mark| mark.map(usize::from));
                let low = high.map_or(low, |high| low.map(|low| low.min(high)));
                transport.set_write_buffer_limits(high, low);
            }),
            Call::UntilSent => course.calling(|transport| {
                let is_told = !transport.pause_until_sent() || course.writing_paused();
                assert!(is_told, "who waits until all is sent is told when");
            }),
        }
        self.check();
    }

    /// The number of written bytes that were sent or are still buffered.
    fn accounted(&self) -> usize {
        self.wire.sent() + self.transport().get_write_buffer_size()
    }

    fn write(&self, n: usize, write: impl FnOnce(&dyn Transport, &[u8])) {
        if self.eof_written.get() || self.written.get() > MOST {
            // Writing after the end is misuse, and panics.
            return;
        }
        let transport = self.transport();
        if self.gave_up() {
            self.course.calling(|transport| transport.write(&pattern(0, n)));
            assert_eq!(transport.get_write_buffer_size(), 0, "what is written then is dropped");
            return;
        }
        let was_over = transport.is_closing() && transport.get_write_buffer_size() == 0;
        let before = self.written.get();
        // Callbacks from inside the call, such as `pause_writing`, may write more after these bytes, so these count
        // from now on.
        let bytes = pattern(before, n);
        self.written.set(before + n);
        let accounted = self.accounted();
        self.course.calling(|transport| write(&**transport, &bytes));
        if self.accounted() == accounted && n > 0 && !self.gave_up() {
            // The bytes were dropped because the connection was already closing.
            assert!(was_over, "{n} bytes were dropped");
            self.written.set(before);
        }
    }

    fn write_some(&self, n: usize) {
        if self.eof_written.get() || self.written.get() > MOST || n == 0 {
            return;
        }
        let before = self.written.get();
        let bytes = pattern(before, n);
        self.course.calling(|transport| {
            if let Some(sent) = transport.write_some(&[IoSlice::new(&bytes)]) {
                assert!((1..=n).contains(&sent));
                self.written.set(before + sent);
            } else if transport.get_write_buffer_size() == 0 && !transport.is_closing() {
                assert!(self.course.writing_paused(), "who is refused is told when there is room");
            }
        });
    }

    /// Whether bytes may have been given up, so that they no longer add up.
    pub(super) fn gave_up(&self) -> bool {
        self.course.aborted() || self.wire.send_failed() || self.wire.incoming_end() == IncomingEnd::ResetTold
    }

    /// Checks what is true between any two calls.
    fn check(&self) {
        self.wire.hear(|bytes| {
            assert_pattern(bytes, self.checked.get(), "sent");
            self.checked.set(self.checked.get() + bytes.len());
        });
        let sent = self.wire.sent();
        assert_eq!(self.checked.get(), sent);
        let Some(transport) = self.course.transport() else { return };
        assert!(sent <= self.written.get());
        assert_eq!(
            transport.is_writing_paused() && !self.course.got_lost(),
            self.course.writing_paused() && !self.course.got_lost()
        );
        if !self.gave_up() && !self.course.in_call() {
            assert_eq!(sent + transport.get_write_buffer_size(), self.written.get(), "no byte is lost or doubled");
        }
        if self.wire.is_shut() && !self.gave_up() {
            assert_eq!(sent, self.written.get(), "the end comes behind all that was written");
        }
    }

    /// Checks that, after a turn or a call from outside of turns, written bytes have been sent as far as there is
    /// room.
    pub(super) fn check_between_steps(&self) {
        self.check();
        let Some(transport) = self.course.transport() else { return };
        if self.wire.has_room() && !self.course.got_lost() {
            assert_eq!(transport.get_write_buffer_size(), 0, "what was written is sent");
        }
    }
}

impl checked::Story for Story {
    fn course(&self) -> &Course {
        &self.course
    }

    fn react(&self) {
        let Some(calls) = self.reactions.borrow_mut().pop_front() else { return };
        calls.iter().for_each(|call| self.call(call));
    }

    fn check_end(&self) {
        let is_peers = self.wire.unreceived() == 0 && self.wire.incoming_end() == IncomingEnd::Ended;
        assert!(is_peers, "it is the peer's end");
    }

    fn check_lost(&self, error: Option<&ConnectionError>) {
        if error.is_some() {
            assert!(self.gave_up(), "there was no error: {error:?}");
        } else {
            let sent_all = self.wire.sent() == self.written.get();
            assert!(self.course.aborted() || sent_all, "a clean end has sent all");
        }
        self.check();
    }
}
