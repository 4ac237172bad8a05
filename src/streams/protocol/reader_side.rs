//! What the reader does with a stream: waiting for bytes, consuming them, and asking whether more will come.

use std::io;
use std::task::{Context, Poll, ready};

use super::state::Flags;
use super::{Hand, StreamProtocol};
use crate::constants::SMALL_BUFFER;
use crate::executor::{Reason, poll_operation, take_operation};
#[cfg(feature = "tls")]
use crate::interface::ReceiveBuffer;

impl StreamProtocol {
    #[inline]
    pub(in crate::streams) fn limit(&self) -> usize {
        self.limit.get()
    }

    /// Sets another limit, before anything is received.
    #[cfg(feature = "process")]
    pub(in crate::streams) fn set_limit(&self, limit: usize) {
        self.limit.set(limit.min(super::MOST_LIMIT));
    }

    /// Moves the received bytes behind those in the reader's hand.
    #[inline]
    pub(in crate::streams) fn take_inbox(&self, hand: &mut Hand) {
        let emptied = self.inbox.move_behind(hand);
        if emptied.has_memory() {
            self.give_back(emptied);
        }
    }

    /// Consumes `n` bytes of the hand, after passing them to `keep`.
    #[inline(always)]
    #[track_caller]
    pub(in crate::streams) fn consume<T>(&self, hand: &mut Hand, n: usize, keep: impl FnOnce(&[u8]) -> T) -> T {
        let (kept, left) = self.inbox.consume(hand, n, keep);
        self.consumed(hand, left);
        kept
    }

    /// Consumes `n` bytes, possibly many. If they fill most of the hand's memory, the memory is taken instead of
    /// copied.
    pub(in crate::streams) fn consume_much(&self, hand: &mut Hand, n: usize) -> Vec<u8> {
        let bytes = self.inbox.split(hand, n, SMALL_BUFFER);
        let left = hand.len();
        self.consumed(hand, left);
        bytes
    }

    /// Bytes were consumed, and `left` are left in the hand.
    #[inline(always)]
    fn consumed(&self, hand: &mut Hand, left: usize) {
        if left == 0 {
            self.give_back(hand.take_memory());
        }
        if self.state.any(Flags::READING_PAUSED) {
            self.resume_if_few();
        }
    }

    #[cold]
    fn resume_if_few(&self) {
        if self.inbox.unread() <= self.limit() {
            self.resume_reading();
        }
    }

    /// Waits until more than `had` bytes are unread, where `had` is how many the reader had when it began to wait.
    /// Returns true, or false if no more will come; in both cases all unread bytes are then in the reader's hand.
    /// During the wait they are in the inbox, so that new bytes are received behind them, and nothing is lost if this
    /// is never polled again.
    ///
    /// # Errors
    ///
    /// If the connection failed.
    #[inline]
    pub(in crate::streams) fn poll_more(
        &self,
        hand: &mut Hand,
        had: usize,
        reason: Reason,
        cx: &Context<'_>,
    ) -> Poll<io::Result<bool>> {
        if self.inbox.unread() > had {
            self.take_inbox(hand);
            return Poll::Ready(Ok(true));
        }
        if !hand.is_empty() {
            self.inbox.take_back(hand);
        }
        self.poll_wait(hand, reason, cx)
    }

    /// Like [`poll_more`](StreamProtocol::poll_more), for a reader whose hand is empty.
    #[inline(always)]
    pub(in crate::streams) fn poll_first(
        &self,
        hand: &mut Hand,
        reason: Reason,
        cx: &Context<'_>,
    ) -> Poll<io::Result<bool>> {
        if !self.inbox.move_to_empty(hand) {
            return self.poll_wait(hand, reason, cx);
        }
        if !take_operation() {
            // The bytes stay in the hand, where the next poll finds them.
            return poll_operation(cx).map(|()| Ok(true));
        }
        Poll::Ready(Ok(true))
    }

    /// Nothing new has come, and the hand is empty: waits, unless the stream has ended.
    #[inline(always)]
    fn poll_wait(&self, hand: &mut Hand, reason: Reason, cx: &Context<'_>) -> Poll<io::Result<bool>> {
        if self.state.any(Flags::ENDED | Flags::READING_PAUSED) {
            if self.state.any(Flags::ENDED) {
                return self.no_more(hand, cx);
            }
            // A reader that waits wants more bytes, however many are unread.
            self.resume_reading();
        }
        let executor = self.executor();
        if let Some(executor) = executor {
            self.reader_reason.set(reason, executor.step());
        }
        self.reader_waits.set(executor, cx);
        Poll::Pending
    }

    /// The stream has ended: the reader gets the remaining bytes, then the end or the error.
    #[cold]
    fn no_more(&self, hand: &mut Hand, cx: &Context<'_>) -> Poll<io::Result<bool>> {
        ready!(poll_operation(cx));
        self.take_inbox(hand);
        let outcome = if self.has_eof() { Ok(()) } else { self.outcome().map_err(as_received) };
        Poll::Ready(outcome.map(|()| false))
    }

    pub(in crate::streams) fn is_ended(&self) -> bool {
        self.state.any(Flags::ENDED)
    }

    /// How the stream ended, for `Debug`.
    pub(super) fn describe_end(&self) -> String {
        match self.failure() {
            _ if self.has_eof() => "Eof".to_owned(),
            Some(error) if self.is_ended() => format!("Failed({error})"),
            _ => "Open".to_owned(),
        }
    }

    /// Whether the stream ended cleanly, not with an error.
    pub(in crate::streams) fn has_eof(&self) -> bool {
        self.state.any(Flags::EOF)
    }

    pub(in crate::streams) fn at_eof(&self) -> bool {
        self.inbox.unread() == 0 && self.has_eof()
    }

    /// The reader is dropped: its unread bytes are thrown away, and the transport keeps reading.
    pub(in crate::streams) fn throw_away_input(&self, mut hand: Hand) {
        self.take_inbox(&mut hand);
        let n = hand.len();
        self.consume(&mut hand, n, |_| ());
    }

    /// Takes all unread bytes away from the reader.
    #[cfg(feature = "tls")]
    pub(in crate::streams) fn take_unread(&self, hand: &mut Hand) -> ReceiveBuffer {
        self.inbox.take_all(hand)
    }
}

/// The error that a reader gets. `BrokenPipe` says that a send failed, but a reader has sent nothing. Its stream did
/// not end cleanly either, so it gets `ConnectionReset`.
fn as_received(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe { io::ErrorKind::ConnectionReset.into() } else { error }
}
