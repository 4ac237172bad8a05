//! The bytes that the load sends, and the exact bytes that it must get back.

use crate::wire::{App, BULK, HTTP_ANSWER, HTTP_REQUEST, MEBIBYTE, PING, PONG, RECEIVED, text};

/// The requests of a connection, and their answers.
pub(super) struct Messages {
    pub(super) requests: Stream,
    pub(super) answers: Stream,
}

/// An endless stream of bytes that repeats in cycles.
pub(super) struct Stream {
    /// A cycle followed by its beginning, so that any part of a batch is one slice.
    bytes: Vec<u8>,
    cycle: usize,
    /// The length of a batch.
    pub(super) batch: usize,
}

impl Stream {
    /// A stream of the messages in `text`, each `message` bytes long, with `depth` messages in a batch.
    fn new(mut text: Vec<u8>, message: usize, depth: usize) -> Stream {
        let cycle = text.len();
        let batch = message * depth;
        while text.len() < cycle + batch {
            text.extend_from_within(..cycle.min(cycle + batch - text.len()));
        }
        Stream { bytes: text, cycle, batch }
    }

    /// `len` bytes from a position on, at most a batch.
    pub(super) fn at(&self, place: usize, len: usize) -> &[u8] {
        &self.bytes[place % self.cycle..][..len]
    }
}

impl Messages {
    /// `size` is the size of a message, for the applications that echo.
    pub(super) fn new(app: App, size: usize, depth: usize) -> Messages {
        // Messages differ, so that a lost or duplicated one is noticed.
        let echoed = || Stream::new(text(size * (64 * 1024 / size).max(7), size), size, depth);
        let fixed = |message: &[u8]| Stream::new(message.to_vec(), message.len(), depth);
        let (requests, answers) = match app {
            App::Echo | App::Lines => (echoed(), echoed()),
            App::Http => (fixed(HTTP_REQUEST), fixed(HTTP_ANSWER)),
            App::Resp => (fixed(PING), fixed(PONG)),
            App::Discard => (Stream::new(BULK.clone(), MEBIBYTE, depth), fixed(&[RECEIVED])),
            App::Source => (fixed(b"\n"), Stream::new(BULK.clone(), MEBIBYTE, depth)),
        };
        Messages { requests, answers }
    }
}
