//! The reads themselves, each with the same type of outcome.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;

use waterwheel::{ReadError, StreamReader};

use super::input::{Letter, Read};
use super::outcome::{Outcome, outcome};

pub(super) type Reading<'r> = Pin<Box<dyn Future<Output = Outcome> + 'r>>;

pub(super) fn spelled(separators: &[Vec<Letter>]) -> Vec<Vec<u8>> {
    separators.iter().map(|separator| separator.iter().map(|letter| letter.byte()).collect()).collect()
}

/// Starts a read.
pub(super) fn begin<'r>(read: &'r Read, reader: &'r mut StreamReader) -> Reading<'r> {
    match *read {
        Read::Some(n) => Box::pin(async move { outcome(reader.read(n.into()).await) }),
        Read::SomeInto(n) => Box::pin(async move {
            let mut memory = Memory::take();
            let read = reader.read_into(memory.room(n)).await;
            outcome(read.map(|n| memory.copied(n)))
        }),
        Read::PollSomeInto(n) => Box::pin(async move {
            let mut memory = Memory::take();
            let read = poll_fn(|cx| reader.poll_read(cx, memory.room(n))).await;
            outcome(read.map(|n| memory.copied(n)))
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

/// The buffer to read into, filled with zeros. It is kept from one read to the next, and only the part that was read
/// is zeroed again, since most reads have a far larger buffer than they fill.
struct Memory(Vec<u8>);

thread_local! {
    static MEMORY: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Memory {
    fn take() -> Memory {
        let mut memory = MEMORY.take();
        memory.resize(u16::MAX.into(), 0);
        Memory(memory)
    }

    fn room(&mut self, n: u16) -> &mut [u8] {
        &mut self.0[..n.into()]
    }

    fn copied(&mut self, n: usize) -> Vec<u8> {
        let copied = self.0[..n].to_vec();
        self.0[..n].fill(0);
        copied
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        MEMORY.set(std::mem::take(&mut self.0));
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

/// Consumes at most `n` bytes of the buffer that was lent. Returns the whole buffer.
fn consumed(reader: &mut StreamReader, filled: io::Result<Vec<u8>>, n: u16) -> Outcome {
    if let Ok(filled) = &filled {
        reader.consume(filled.len().min(n.into()));
    }
    outcome(filled)
}
