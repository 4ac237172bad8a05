//! The model of a reader: a plain list of bytes, and how it ended.

use std::io::ErrorKind;

use memchr::{memchr, memmem};

use super::input::{Letter, Read};
use super::outcome::Outcome;
use super::reads::spelled;

/// The expected state of the reader.
pub(super) struct Model {
    pub(super) limit: usize,
    pub(super) unread: Vec<u8>,
    pub(super) end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    NotYet,
    Eof,
    Failed(ErrorKind),
}

/// The expected outcome of a read, and how many bytes it takes.
pub(super) struct Answer<'m> {
    outcome: Outcome<&'m [u8]>,
    takes: usize,
}

impl Model {
    /// The outcome of a read when there are too few bytes: the end, the error, or a wait.
    fn at_the_end<'m>(&'m self, at_eof: impl FnOnce(&'m [u8]) -> Outcome<&'m [u8]>) -> Option<Answer<'m>> {
        match self.end {
            End::NotYet => None,
            End::Eof => Some(Answer { outcome: at_eof(&self.unread), takes: self.unread.len() }),
            End::Failed(kind) => Some(Answer { outcome: Outcome::Failed(kind), takes: 0 }),
        }
    }

    fn gives(&self, n: usize) -> Option<Answer<'_>> {
        Some(Answer { outcome: Outcome::Bytes(&self.unread[..n]), takes: n })
    }

    /// The outcome of a read now. `None` if it has to wait.
    pub(super) fn answer(&self, read: &Read) -> Option<Answer<'_>> {
        let rest = Outcome::Bytes;
        match *read {
            Read::Some(0) | Read::SomeInto(0) | Read::PollSomeInto(0) => self.gives(0),
            Read::Some(n) | Read::SomeInto(n) | Read::PollSomeInto(n) => match self.unread.len() {
                0 => self.at_the_end(rest),
                len => self.gives(len.min(n.into())),
            },
            // A read may lend any part of the bytes; `read` checks which.
            Read::FillAndConsume(_) | Read::PollFillAndConsume(_) => match self.unread.len() {
                0 => self.at_the_end(rest),
                len => self.gives(len),
            },
            Read::Exactly(n) => match n.get() {
                n if n <= self.unread.len() => self.gives(n),
                n => self.at_the_end(|rest| Outcome::Incomplete(rest, Some(n))),
            },
            Read::ToEnd => self.at_the_end(rest),
            Read::Line | Read::LineInto => self.line(self.limit, rest),
            Read::LineWithin(limit) => self.line(limit.get(), rest),
            Read::NextLine => self.line(self.limit, |rest| match rest {
                [] => Outcome::NoLine,
                line => Outcome::Bytes(line),
            }),
            Read::Until(ref separators) | Read::UntilInto(ref separators) => self.piece(separators, self.limit),
            Read::UntilWithin(ref separators, limit) => self.piece(separators, limit.get()),
        }
    }

    fn line<'m>(&'m self, limit: usize, at_eof: impl FnOnce(&'m [u8]) -> Outcome<&'m [u8]>) -> Option<Answer<'m>> {
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

    fn piece(&self, separators: &[Vec<Letter>], limit: usize) -> Option<Answer<'_>> {
        let separators = spelled(separators);
        let stays = |outcome| Some(Answer { outcome, takes: 0 });
        let Some(longest) = separators.iter().map(Vec::len).max() else {
            return stays(Outcome::Failed(ErrorKind::InvalidInput));
        };
        if separators.iter().any(Vec::is_empty) {
            return stays(Outcome::Failed(ErrorKind::InvalidInput));
        }
        // The occurrence that ends first. If several end at the same place, the shortest.
        let first =
            |separator: &Vec<u8>| memmem::find(&self.unread, separator).map(|start| (start + separator.len(), start));
        match separators.iter().filter_map(first).min_by_key(|&(end, start)| (end, end - start)) {
            Some((_, start)) if start > limit => stays(Outcome::Overrun(start)),
            Some((end, _)) => self.gives(end),
            None => match (self.unread.len() + 1).saturating_sub(longest) {
                before if before > limit => stays(Outcome::Overrun(before)),
                _ => self.at_the_end(|rest| Outcome::Incomplete(rest, None)),
            },
        }
    }

    /// Checks the outcome of a read, and takes its bytes.
    pub(super) fn read(&mut self, read: &Read, outcome: Outcome) {
        let answer = self.answer(read).unwrap_or_else(|| panic!("{read:?} should wait, and gave {outcome:?}"));
        let takes = match (read, &outcome) {
            (Read::FillAndConsume(n) | Read::PollFillAndConsume(n), Outcome::Bytes(lent)) => {
                assert!(self.unread.starts_with(lent), "{read:?} lent {lent:?} of {:?}", self.unread);
                assert!(!lent.is_empty() || self.unread.is_empty(), "{read:?} lent nothing, as at the end");
                lent.len().min((*n).into())
            }
            _ => {
                assert_eq!(outcome.borrowed(), answer.outcome, "of {read:?}");
                answer.takes
            }
        };
        self.unread.drain(..takes);
    }

    pub(super) fn is_at_eof(&self) -> bool {
        self.unread.is_empty() && self.end == End::Eof
    }
}
