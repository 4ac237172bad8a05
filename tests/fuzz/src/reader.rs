//! A reader that is fed by hand, beside a model of it: a plain list of bytes, and how it ended.
//!
//! Every read is polled by hand. While it waits, bytes come in pieces, the stream ends or fails, and the read may be
//! dropped. What the model can answer must be answered, and the waiting task must have been woken for it.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use arbitrary::Arbitrary;
use memchr::{memchr, memmem};
use waterwheel::{ReadError, StreamFeeder, StreamReader};

use crate::pattern::pattern;

/// No more comes while so much is unread, which is more than any buffer of the crate holds.
const MOST: usize = 200_000;

/// The limit of the reader, what happens, and in which order the two ends are dropped.
#[derive(Debug, Arbitrary)]
pub struct Input {
    limit: Limit,
    steps: Vec<Step>,
    reader_goes_first: bool,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Limit {
    Tiny(u8),
    Usual,
    Huge,
}

impl Limit {
    fn get(self) -> usize {
        match self {
            Limit::Tiny(limit) => usize::from(limit),
            Limit::Usual => 64 * 1024,
            Limit::Huge => usize::MAX,
        }
    }
}

#[derive(Debug, Arbitrary)]
enum Step {
    /// Something comes, and the read that waits is polled again.
    Comes(Coming),
    /// Something comes, and more comes before the read is polled again.
    ComesWithMore(Coming),
    Read(Read),
}

#[derive(Debug, Arbitrary)]
enum Coming {
    Letters(Vec<Letter>),
    /// Mostly not so many, and at times more than any buffer holds.
    Many(u8),
    End,
    Failure(Failure),
    FeederDropped,
}

/// Few letters, so that separators are met often.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Letter {
    A,
    B,
    Return,
    Newline,
}

impl Letter {
    fn byte(self) -> u8 {
        match self {
            Letter::A => b'a',
            Letter::B => b'b',
            Letter::Return => b'\r',
            Letter::Newline => b'\n',
        }
    }
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Failure {
    Reset,
    BrokenPipe,
    Other,
}

impl Failure {
    fn kind(self) -> ErrorKind {
        match self {
            Failure::Reset => ErrorKind::ConnectionReset,
            Failure::BrokenPipe => ErrorKind::BrokenPipe,
            Failure::Other => ErrorKind::Other,
        }
    }

    /// What a reader is told: a broken pipe is an error of who sends.
    fn as_received(self) -> ErrorKind {
        match self {
            Failure::BrokenPipe => ErrorKind::ConnectionReset,
            other => other.kind(),
        }
    }
}

#[derive(Debug, Arbitrary)]
enum Read {
    Some(u16),
    SomeInto(u16),
    PollSomeInto(u16),
    Exactly(Count),
    ToEnd,
    Line,
    LineWithin(Limit),
    LineInto,
    NextLine,
    Until(Vec<Vec<Letter>>),
    UntilWithin(Vec<Vec<Letter>>, Limit),
    UntilInto(Vec<Vec<Letter>>),
    FillAndConsume(u16),
    PollFillAndConsume(u16),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Count {
    Few(u8),
    Many(u32),
    All,
}

impl Count {
    fn get(self) -> usize {
        match self {
            Count::Few(count) => usize::from(count),
            Count::Many(count) => count as usize,
            Count::All => usize::MAX,
        }
    }
}

/// What a read of whatever kind gave.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Bytes(Vec<u8>),
    /// The end, where it is told apart from no bytes.
    NoLine,
    Incomplete(Vec<u8>, Option<usize>),
    Overrun(usize),
    Failed(ErrorKind),
}

impl From<io::Error> for Outcome {
    fn from(error: io::Error) -> Self {
        Outcome::Failed(error.kind())
    }
}

impl From<ReadError> for Outcome {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::IncompleteRead { partial, expected } => Outcome::Incomplete(partial, expected),
            ReadError::LimitOverrun { consumed } => Outcome::Overrun(consumed),
            ReadError::Io(error) => error.into(),
            other => unreachable!("a kind of error that this target does not know: {other}"),
        }
    }
}

fn outcome(result: Result<Vec<u8>, impl Into<Outcome>>) -> Outcome {
    result.map_or_else(Into::into, Outcome::Bytes)
}

type Reading<'r> = Pin<Box<dyn Future<Output = Outcome> + 'r>>;

fn spelled(separators: &[Vec<Letter>]) -> Vec<Vec<u8>> {
    separators.iter().map(|separator| separator.iter().map(|letter| letter.byte()).collect()).collect()
}

/// Begins a read.
fn begin<'r>(read: &'r Read, reader: &'r mut StreamReader) -> Reading<'r> {
    match *read {
        Read::Some(n) => Box::pin(async move { outcome(reader.read(n.into()).await) }),
        Read::SomeInto(n) => Box::pin(async move {
            let mut memory = vec![0; n.into()];
            let read = reader.read_into(&mut memory).await;
            outcome(read.map(|n| memory[..n].to_vec()))
        }),
        Read::PollSomeInto(n) => Box::pin(async move {
            let mut memory = vec![0; n.into()];
            let read = poll_fn(|cx| reader.poll_read(cx, &mut memory)).await;
            outcome(read.map(|n| memory[..n].to_vec()))
        }),
        Read::Exactly(n) => Box::pin(async move { outcome(reader.readexactly(n.get()).await) }),
        Read::ToEnd => Box::pin(async move { outcome(reader.read_to_end().await) }),
        Read::Line => Box::pin(async move { outcome(reader.readline().await) }),
        Read::LineWithin(limit) => Box::pin(async move { outcome(reader.readline_within(limit.get()).await) }),
        Read::LineInto => Box::pin(async move {
            let mut line = b"before".to_vec();
            let read = reader.readline_into(&mut line).await;
            appended(line, read)
        }),
        Read::NextLine => Box::pin(async move {
            match reader.next_line().await {
                Ok(line) => line.map_or(Outcome::NoLine, Outcome::Bytes),
                Err(error) => error.into(),
            }
        }),
        Read::Until(ref separators) => Box::pin(async move { outcome(reader.readuntil(spelled(separators)).await) }),
        Read::UntilWithin(ref separators, limit) => {
            Box::pin(async move { outcome(reader.readuntil_within(spelled(separators), limit.get()).await) })
        }
        Read::UntilInto(ref separators) => Box::pin(async move {
            let mut piece = b"before".to_vec();
            let read = reader.readuntil_into(spelled(separators), &mut piece).await;
            appended(piece, read)
        }),
        Read::FillAndConsume(n) => Box::pin(async move {
            let filled = reader.fill_buf().await.map(<[u8]>::to_vec);
            consumed(reader, filled, n)
        }),
        Read::PollFillAndConsume(n) => Box::pin(async move {
            let filled = poll_fn(|cx| reader.poll_fill_buf(cx).map_ok(<[u8]>::to_vec)).await;
            consumed(reader, filled, n)
        }),
    }
}

/// What was appended to a text.
fn appended(mut text: Vec<u8>, read: Result<usize, ReadError>) -> Outcome {
    let appended = text.split_off(b"before".len());
    assert_eq!(text, b"before", "what stood there before is still there");
    match read {
        Ok(n) => {
            assert_eq!(n, appended.len());
            Outcome::Bytes(appended)
        }
        Err(error) => {
            assert!(appended.is_empty(), "nothing is appended with an error");
            error.into()
        }
    }
}

/// Consumes `n` bytes at most of what was lent. Returns all that was lent.
fn consumed(reader: &mut StreamReader, filled: io::Result<Vec<u8>>, n: u16) -> Outcome {
    if let Ok(filled) = &filled {
        reader.consume(filled.len().min(n.into()));
    }
    outcome(filled)
}

/// What the reader should be.
struct Model {
    limit: usize,
    unread: Vec<u8>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    Eof,
    Failed(ErrorKind),
}

/// What a read should give, and how many bytes it takes with it.
struct Answer {
    outcome: Outcome,
    takes: usize,
}

impl Model {
    /// All kinds of reads that end in the same way if there are too few bytes.
    fn at_the_end(&self, at_eof: impl FnOnce(&[u8]) -> Outcome) -> Option<Answer> {
        match self.end {
            End::NotYet => None,
            End::Eof => Some(Answer { outcome: at_eof(&self.unread), takes: self.unread.len() }),
            End::Failed(kind) => Some(Answer { outcome: Outcome::Failed(kind), takes: 0 }),
        }
    }

    fn gives(&self, n: usize) -> Option<Answer> {
        Some(Answer { outcome: Outcome::Bytes(self.unread[..n].to_vec()), takes: n })
    }

    /// What a read gives now; `None` if it has to wait.
    fn answer(&self, read: &Read) -> Option<Answer> {
        let rest = |rest: &[u8]| Outcome::Bytes(rest.to_vec());
        match *read {
            Read::Some(0) | Read::SomeInto(0) | Read::PollSomeInto(0) => self.gives(0),
            Read::Some(n) | Read::SomeInto(n) | Read::PollSomeInto(n) => match self.unread.len() {
                0 => self.at_the_end(rest),
                len => self.gives(len.min(n.into())),
            },
            // How much is lent is checked elsewhere, since it may be any part.
            Read::FillAndConsume(_) | Read::PollFillAndConsume(_) => match self.unread.len() {
                0 => self.at_the_end(rest),
                len => self.gives(len),
            },
            Read::Exactly(n) => match n.get() {
                n if n <= self.unread.len() => self.gives(n),
                n => self.at_the_end(|rest| Outcome::Incomplete(rest.to_vec(), Some(n))),
            },
            Read::ToEnd => self.at_the_end(rest),
            Read::Line | Read::LineInto => self.line(self.limit, rest),
            Read::LineWithin(limit) => self.line(limit.get(), rest),
            Read::NextLine => self.line(self.limit, |rest| match rest {
                [] => Outcome::NoLine,
                line => Outcome::Bytes(line.to_vec()),
            }),
            Read::Until(ref separators) | Read::UntilInto(ref separators) => self.piece(separators, self.limit),
            Read::UntilWithin(ref separators, limit) => self.piece(separators, limit.get()),
        }
    }

    fn line(&self, limit: usize, at_eof: impl FnOnce(&[u8]) -> Outcome) -> Option<Answer> {
        let newline = memchr(b'\n', &self.unread);
        let length = newline.unwrap_or(self.unread.len());
        let with_newline = newline.map_or(length, |newline| newline + 1);
        if length > limit {
            return Some(Answer { outcome: Outcome::Overrun(length), takes: with_newline });
        }
        match newline {
            Some(_) => self.gives(with_newline),
            None => self.at_the_end(at_eof),
        }
    }

    fn piece(&self, separators: &[Vec<Letter>], limit: usize) -> Option<Answer> {
        let separators = spelled(separators);
        let stays = |outcome| Some(Answer { outcome, takes: 0 });
        let Some(longest) = separators.iter().map(Vec::len).max() else {
            return stays(Outcome::Failed(ErrorKind::InvalidInput));
        };
        if separators.iter().any(Vec::is_empty) {
            return stays(Outcome::Failed(ErrorKind::InvalidInput));
        }
        // The one that ends first; of several that end there the shortest.
        let first =
            |separator: &Vec<u8>| memmem::find(&self.unread, separator).map(|start| (start + separator.len(), start));
        match separators.iter().filter_map(first).min_by_key(|&(end, start)| (end, end - start)) {
            Some((_, start)) if start > limit => stays(Outcome::Overrun(start)),
            Some((end, _)) => self.gives(end),
            None => match (self.unread.len() + 1).saturating_sub(longest) {
                before if before > limit => stays(Outcome::Overrun(before)),
                _ => self.at_the_end(|rest| Outcome::Incomplete(rest.to_vec(), None)),
            },
        }
    }

    /// A read has given this.
    fn read(&mut self, read: &Read, outcome: Outcome) {
        let answer = self.answer(read).unwrap_or_else(|| panic!("{read:?} should wait, and gave {outcome:?}"));
        let takes = match (read, &outcome) {
            (Read::FillAndConsume(n) | Read::PollFillAndConsume(n), Outcome::Bytes(lent)) => {
                assert!(self.unread.starts_with(lent), "{read:?} lent {lent:?} of {:?}", self.unread);
                assert!(!lent.is_empty() || self.unread.is_empty(), "{read:?} lent nothing, as at the end");
                lent.len().min((*n).into())
            }
            _ => {
                assert_eq!(outcome, answer.outcome, "of {read:?}");
                answer.takes
            }
        };
        self.unread.drain(..takes);
    }

    fn is_at_eof(&self) -> bool {
        self.unread.is_empty() && self.end == End::Eof
    }
}

/// A waker that counts.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Feeds the reader and its model.
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
        // After the end that is a fault of who feeds, and panics.
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

/// Does what the input says with a reader and its model.
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
                // The read is given up.
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
