//! A protocol that records its callbacks as a list of words.
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use waterwheel::{AfterEof, BufferedProtocol, ConnectionError, Protocol, ReceiveBuffer, Transport};

/// The callbacks of one connection, in order. Consecutive received bytes make one word.
#[derive(Clone, Default)]
pub(crate) struct Story(Rc<RefCell<Vec<String>>>);

impl Story {
    pub(crate) fn tell(&self, word: &str) {
        self.0.borrow_mut().push(word.to_owned());
    }

    pub(crate) fn tell_data(&self, data: &[u8]) {
        let mut words = self.0.borrow_mut();
        let text = String::from_utf8_lossy(data);
        match words.last_mut() {
            Some(last) if last.starts_with("data:") => last.push_str(&text),
            _ => words.push(format!("data:{text}")),
        }
    }

    pub(crate) fn words(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.0.borrow().iter().any(|one| one == word)
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.0.borrow().iter().any(|word| word.starts_with("lost"))
    }

    pub(crate) fn text(&self) -> String {
        self.0.borrow().join(" ")
    }

    /// Checks the order: `made data* eof? lost`, with pauses and resumes between made and lost, alternating.
    pub(crate) fn check_grammar(&self) -> Result<(), String> {
        let mut stage = 0;
        let mut paused = false;
        for word in self.0.borrow().iter() {
            let kind = word.split(':').next().unwrap_or_default();
            let next = match (stage, kind) {
                (0, "made") => 1,
                (1, "data") => 1,
                (1, "eof") => 2,
                (1 | 2, "lost") => 3,
                (1 | 2, "pause") if !paused => stage,
                (1 | 2, "resume") if paused => stage,
                _ => return Err(format!("`{word}` out of place in: {}", self.text())),
            };
            paused = kind == "pause" || (paused && kind != "resume");
            stage = next;
        }
        if stage == 3 { Ok(()) } else { Err(format!("unfinished: {}", self.text())) }
    }
}

/// Where a [`Teller`] panics, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PanicIn {
    Nothing,
    Made,
    Data,
    Eof,
    Lost,
    Pause,
    Resume,
    GetBuffer,
    BufferUpdated,
}

/// A protocol that writes a [`Story`].
pub(crate) struct Teller {
    pub(crate) story: Story,
    pub(crate) transport: OnceCell<Rc<dyn Transport>>,
    pub(crate) after_eof: Cell<AfterEof>,
    pub(crate) panic_in: Cell<PanicIn>,
    buffered: bool,
}

impl Teller {
    pub(crate) fn new(story: &Story) -> Rc<Teller> {
        Rc::new(Teller::with(story, PanicIn::Nothing, false))
    }

    pub(crate) fn with(story: &Story, panic_in: PanicIn, buffered: bool) -> Teller {
        Teller {
            story: story.clone(),
            transport: OnceCell::new(),
            after_eof: Cell::new(AfterEof::Close),
            panic_in: Cell::new(panic_in),
            buffered,
        }
    }

    fn may_panic(&self, place: PanicIn) {
        if self.panic_in.get() == place {
            self.panic_in.set(PanicIn::Nothing);
            panic!("wanted in {place:?}");
        }
    }
}

impl Protocol for Teller {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        self.story.tell("made");
        assert!(self.transport.set(transport).is_ok(), "made twice");
        self.may_panic(PanicIn::Made);
    }

    fn data_received(&self, data: &[u8]) {
        self.story.tell_data(data);
        self.may_panic(PanicIn::Data);
    }

    fn eof_received(&self) -> AfterEof {
        self.story.tell("eof");
        self.may_panic(PanicIn::Eof);
        self.after_eof.get()
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.story.tell(if error.is_some() { "lost:error" } else { "lost" });
        self.may_panic(PanicIn::Lost);
    }

    fn pause_writing(&self) {
        self.story.tell("pause");
        self.may_panic(PanicIn::Pause);
    }

    fn resume_writing(&self) {
        self.story.tell("resume");
        self.may_panic(PanicIn::Resume);
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        self.buffered.then_some(self as &dyn BufferedProtocol)
    }
}

impl BufferedProtocol for Teller {
    fn get_buffer(&self) -> ReceiveBuffer {
        self.may_panic(PanicIn::GetBuffer);
        ReceiveBuffer::new(64)
    }

    fn buffer_updated(&self, buffer: ReceiveBuffer, received: usize) {
        if received > 0 {
            self.story.tell_data(buffer.filled());
        }
        self.may_panic(PanicIn::BufferUpdated);
    }
}
