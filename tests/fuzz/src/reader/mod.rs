//! A reader that the test feeds, next to a model of it: a plain list of bytes, and how it ended.
//!
//! The test polls every read itself. While a read waits, bytes are fed in pieces, the stream ends or fails, and the
//! read may be dropped. A read that the model can answer must be ready, and its waker must have been woken for that.

mod input;
mod model;
mod outcome;
mod reads;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use waterwheel::{StreamFeeder, StreamReader};

pub use self::input::Input;
use self::input::{Coming, Letter, Step};
use self::model::{End, Model};
use self::reads::begin;
use crate::pattern::pattern;

/// Feeding stops while this many bytes are unread, which is more than any buffer of the crate holds.
const MOST: usize = 200_000;

/// A waker that counts its wakes.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Feeds both the reader and its model.
struct Source {
    feeder: Option<StreamFeeder>,
    model: Model,
}

impl Source {
    fn comes(&mut self, coming: &Coming) {
        let Some(feeder) = &self.feeder else { return };
        match coming {
            Coming::Letters(letters) => self.bytes(&letters.iter().map(|letter| letter.byte()).collect::<Vec<_>>()),
            Coming::Many(n) => self.bytes(&pattern(self.model.unread.len(), usize::from(*n).pow(3) / 200)),
            Coming::End => {
                feeder.feed_eof();
                self.ends();
            }
            Coming::Failure(failure) => {
                feeder.set_exception(failure.kind().into());
                self.model.end = End::Failed(failure.as_received());
            }
            Coming::FeederDropped => {
                self.feeder = None;
                self.ends();
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        // Feeding after the end is misuse, and panics.
        if self.model.end != End::Eof && self.model.unread.len() < MOST {
            self.feeder.iter().for_each(|feeder| feeder.feed_data(bytes));
            self.model.unread.extend_from_slice(bytes);
        }
    }

    fn ends(&mut self) {
        if self.model.end == End::NotYet {
            self.model.end = End::Eof;
        }
    }
}

/// Runs the steps of the input on a reader and its model.
pub fn check(input: Input) {
    let limit = input.limit.get().max(1);
    let (mut reader, feeder) = StreamReader::new(limit);
    let mut source = Source { feeder: Some(feeder), model: Model { limit, unread: Vec::new(), end: End::NotYet } };
    let woken = Arc::new(Woken::default());
    let waker = Arc::clone(&woken).into();
    let mut cx = Context::from_waker(&waker);
    let mut steps = input.steps.iter().peekable();
    while let Some(step) = steps.next() {
        let read = match step {
            Step::Comes(coming) | Step::ComesWithMore(coming) => {
                source.comes(coming);
                continue;
            }
            Step::Read(read) => read,
        };
        let mut reading = begin(read, &mut reader);
        loop {
            woken.0.store(0, Ordering::Relaxed);
            if let Poll::Ready(outcome) = reading.as_mut().poll(&mut cx) {
                source.model.read(read, outcome);
                break;
            }
            assert!(source.model.answer(read).is_none(), "{read:?} waits for what is there");
            let mut came = false;
            while let Some(step) = steps.next_if(|step| !matches!(step, Step::Read(_))) {
                let (Step::Comes(coming) | Step::ComesWithMore(coming)) = step else { break };
                came = true;
                source.comes(coming);
                let is_woken = woken.0.load(Ordering::Relaxed) > 0;
                assert!(is_woken || source.model.answer(read).is_none(), "{read:?} was not woken for {coming:?}");
                if matches!(step, Step::Comes(_)) {
                    break;
                }
            }
            if !came {
                // The read is dropped.
                break;
            }
        }
        drop(reading);
        assert_eq!(reader.at_eof(), source.model.is_at_eof());
    }
    if input.reader_goes_first {
        drop(reader);
        source.comes(&Coming::Letters(vec![Letter::A]));
    }
}
