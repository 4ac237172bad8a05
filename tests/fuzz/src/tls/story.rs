//! The state of a session as its user knows it, and the calls that the user makes.

use std::cell::{Cell, RefCell};

use waterwheel::ConnectionError;

use super::input::{Call, Input};
use super::peer::Peer;
use crate::checked;
use crate::checked::Course;
use crate::pattern::pattern;

/// A side that has sent this much writes no more.
pub(super) const MOST: usize = 1 << 20;

/// The session: its protocol's callbacks, what was written, and the peer.
pub(super) struct Story {
    pub(super) course: Course,
    pub(super) peer: RefCell<Peer>,
    pub(super) reactions: RefCell<std::vec::IntoIter<Call>>,
    pub(super) written: Cell<usize>,
}

impl Story {
    pub(super) fn new(input: &Input) -> Story {
        Story {
            course: Course::new(input.own_buffer, true),
            peer: RefCell::new(Peer::new(input)),
            reactions: RefCell::new(input.reactions.clone().into_iter()),
            written: Cell::new(0),
        }
    }

    pub(super) fn call(&self, call: Call) {
        let course = &self.course;
        match call {
            Call::Write(size) => course.calling(|transport| {
                if self.written.get() < MOST && !transport.is_closing() {
                    let bytes = pattern(self.written.get(), size.get());
                    self.written.set(self.written.get() + bytes.len());
                    transport.write(&bytes);
                }
            }),
            Call::Close => course.close(),
            Call::Abort => course.abort(),
            Call::PauseReading => course.pause_reading(),
            Call::ResumeReading => course.resume_reading(),
            Call::Nothing => {}
        }
    }
}

impl checked::Story for Story {
    fn course(&self) -> &Course {
        &self.course
    }

    fn react(&self) {
        let call = self.reactions.borrow_mut().next();
        call.iter().for_each(|&call| self.call(call));
    }

    fn came(&self, received: usize) {
        assert!(received <= self.peer.borrow().wrote);
    }

    fn check_end(&self) {
        let peer = self.peer.borrow();
        assert!(peer.has_notified && self.course.received() == peer.wrote, "a part was taken for the whole");
    }

    fn check_lost(&self, error: Option<&ConnectionError>) {
        if let Some(error) = error {
            assert!(!self.peer.borrow().is_blameless(), "nobody has done anything: {error}");
        }
    }
}
