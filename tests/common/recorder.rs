//! A protocol that records its callbacks.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io::ErrorKind;
use std::rc::Rc;

use waterwheel::{AfterEof, ConnectionError, Promise, Protocol, Transport};

use crate::common::trace::Trace;

impl Trace {
    pub(crate) fn last_is(&self, word: &str) -> bool {
        self.words().last().is_some_and(|last| last == word)
    }
}

type Reaction = Rc<dyn Fn(&str, &Recorder)>;

/// A protocol that records its callbacks: made, data (once for any number in a row), eof, pause, resume, lost.
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

    /// Also calls `reaction` in every callback.
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
