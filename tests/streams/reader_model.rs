//! Any sequence of feeding, reading and dropping reads agrees with a naive model of the reader.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use waterwheel::{ReadError, StreamReader};

#[derive(Debug, Clone)]
enum Step {
    Feed(Vec<u8>),
    Eof,
    Fail,
    Read(usize),
    ReadInto(usize),
    Exactly(usize),
    ToEnd,
    Line,
    NextLine,
    Until(usize),
    FillAndConsume(usize),
    AtEof,
}

/// Only a few different letters, so that separators, their halves and overlaps are common.
const SEPARATORS: [&[&str]; 5] = [&["\n"], &["ab"], &["aa"], &["b", "ab"], &["aab", "\n\n", "ba"]];

fn step() -> impl Strategy<Value = Step> {
    let letters = prop::collection::vec(prop::sample::select(b"ab\n".to_vec()), 0..6);
    prop_oneof![
        10 => letters.prop_map(Step::Feed),
        1 => prop::collection::vec(prop::sample::select(b"abc".to_vec()), 20..40).prop_map(Step::Feed),
        1 => Just(Step::Eof),
        1 => Just(Step::Fail),
        2 => (0..6_usize).prop_map(Step::Read),
        2 => (0..6_usize).prop_map(Step::ReadInto),
        2 => (0..9_usize).prop_map(Step::Exactly),
        1 => Just(Step::ToEnd),
        3 => Just(Step::Line),
        2 => Just(Step::NextLine),
        4 => (0..SEPARATORS.len()).prop_map(Step::Until),
        2 => (0..4_usize).prop_map(Step::FillAndConsume),
        2 => Just(Step::AtEof),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Open,
    Eof,
    Failed,
}

/// The outcome of a read, in a form that can be compared.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// It had to wait, and was dropped.
    Waits,
    Bytes(Vec<u8>),
    Nothing,
    Incomplete(Vec<u8>, Option<usize>),
    Overrun(usize),
    Failed,
}

/// A simple, slow reader: one queue of bytes.
struct Model {
    bytes: VecDeque<u8>,
    end: End,
    limit: usize,
}

impl Model {
    fn take(&mut self, n: usize) -> Vec<u8> {
        self.bytes.drain(..n).collect()
    }

    /// The outcome of a read that wants more bytes than there are. `None` at the end of the stream.
    fn short(&self) -> Option<Outcome> {
        match self.end {
            End::Open => Some(Outcome::Waits),
            End::Failed => Some(Outcome::Failed),
            End::Eof => None,
        }
    }

    fn read(&mut self, n: usize) -> Outcome {
        if n > 0 && self.bytes.is_empty() {
            return self.short().unwrap_or(Outcome::Bytes(Vec::new()));
        }
        Outcome::Bytes(self.take(n.min(self.bytes.len())))
    }

    fn exactly(&mut self, n: usize) -> Outcome {
        if self.bytes.len() >= n {
            return Outcome::Bytes(self.take(n));
        }
        let all = self.bytes.len();
        self.short().unwrap_or_else(|| Outcome::Incomplete(self.take(all), Some(n)))
    }

    fn rest(&mut self) -> Outcome {
        let all = self.bytes.len();
        self.short().unwrap_or_else(|| Outcome::Bytes(self.take(all)))
    }

    /// Where the separator that ends first begins and ends.
    fn find(&self, separators: &[&str]) -> Option<(usize, usize)> {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        (1..=bytes.len()).find_map(|end| {
            let fits = separators.iter().filter(|one| bytes[..end].ends_with(one.as_bytes()));
            fits.map(|one| one.len()).min().map(|len| (end - len, end))
        })
    }

    fn until(&mut self, separators: &[&str]) -> Outcome {
        if let Some((start, end)) = self.find(separators) {
            return if start > self.limit { Outcome::Overrun(start) } else { Outcome::Bytes(self.take(end)) };
        }
        let longest = separators.iter().map(|one| one.len()).max().unwrap();
        let consumed = (self.bytes.len() + 1).saturating_sub(longest);
        if consumed > self.limit {
            return Outcome::Overrun(consumed);
        }
        let all = self.bytes.len();
        self.short().unwrap_or_else(|| Outcome::Incomplete(self.take(all), None))
    }

    fn line(&mut self) -> Outcome {
        let found = self.find(&["\n"]);
        match self.until(&["\n"]) {
            Outcome::Incomplete(partial, _) => Outcome::Bytes(partial),
            Outcome::Overrun(consumed) => {
                self.take(found.map_or(self.bytes.len(), |(_, end)| end));
                Outcome::Overrun(consumed)
            }
            other => other,
        }
    }
}

/// Polls once: a read that has to wait is dropped, as a timeout would drop it.
fn attempt<T, E: Into<ReadError>>(
    read: impl Future<Output = Result<T, E>>,
    bytes: impl FnOnce(T) -> Outcome,
) -> Outcome {
    match pin!(read).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Outcome::Waits,
        Poll::Ready(Ok(value)) => bytes(value),
        Poll::Ready(Err(error)) => match error.into() {
            ReadError::IncompleteRead { partial, expected } => Outcome::Incomplete(partial, expected),
            ReadError::LimitOverrun { consumed } => Outcome::Overrun(consumed),
            _ => Outcome::Failed,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_steps_agrees_with_the_model(limit in 1..8_usize, steps in prop::collection::vec(step(), 1..60)) {
        let (mut reader, feeder) = StreamReader::new(limit);
        let mut model = Model { bytes: VecDeque::new(), end: End::Open, limit };
        for step in &steps {
            let (actual, expected) = match step {
                Step::Feed(data) => {
                    // Feeding after the end would be misuse.
                    if model.end == End::Open {
                        feeder.feed_data(data);
                        model.bytes.extend(data);
                    }
                    continue;
                }
                Step::Eof => {
                    feeder.feed_eof();
                    if model.end == End::Open {
                        model.end = End::Eof;
                    }
                    continue;
                }
                Step::Fail => {
                    feeder.set_exception(io::Error::other("model"));
                    model.end = End::Failed;
                    continue;
                }
                Step::Read(n) => (attempt(reader.read(*n), Outcome::Bytes), model.read(*n)),
                Step::ReadInto(n) => {
                    let mut buffer = vec![0; *n];
                    let read = attempt(reader.read_into(&mut buffer), |n| Outcome::Bytes(vec![0; n]));
                    let read = if let Outcome::Bytes(n) = read { Outcome::Bytes(buffer[..n.len()].to_vec()) } else { read };
                    (read, model.read(*n))
                }
                Step::Exactly(n) => (attempt(reader.readexactly(*n), Outcome::Bytes), model.exactly(*n)),
                Step::ToEnd => (attempt(reader.read_to_end(), Outcome::Bytes), model.rest()),
                Step::Line => (attempt(reader.readline(), Outcome::Bytes), model.line()),
                Step::NextLine => {
                    let read = attempt(reader.next_line(), |line| line.map_or(Outcome::Nothing, Outcome::Bytes));
                    let line = model.line();
                    (read, if line == Outcome::Bytes(Vec::new()) { Outcome::Nothing } else { line })
                }
                Step::Until(which) => {
                    let separators = SEPARATORS[*which];
                    (attempt(reader.readuntil(separators), Outcome::Bytes), model.until(separators))
                }
                Step::FillAndConsume(n) => {
                    // It may lend less than everything, but always the front, and never nothing if there is anything.
                    let lent = attempt(reader.fill_buf(), |lent| Outcome::Bytes(lent.to_vec()));
                    let Outcome::Bytes(lent) = lent else {
                        prop_assert_eq!(lent, model.read(1));
                        continue;
                    };
                    prop_assert_eq!(lent.is_empty(), model.bytes.is_empty());
                    let n = (*n).min(lent.len());
                    reader.consume(n);
                    (Outcome::Bytes(lent[..n].to_vec()), Outcome::Bytes(model.take(n)))
                }
                Step::AtEof => {
                    prop_assert_eq!(reader.at_eof(), model.end == End::Eof && model.bytes.is_empty());
                    continue;
                }
            };
            prop_assert_eq!(actual, expected, "{:?} of {:?} with limit {}", step, steps, limit);
        }
        // Whatever happened, every byte that was not taken is still there, in order.
        feeder.feed_eof();
        if model.end != End::Failed {
            model.end = End::Eof;
            prop_assert_eq!(attempt(reader.read_to_end(), Outcome::Bytes), model.rest());
        } else {
            let all = model.bytes.len().max(1);
            prop_assert_eq!(attempt(reader.read(all), Outcome::Bytes), model.read(all));
        }
    }
}
