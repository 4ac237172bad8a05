//! The incoming side of a stream, as the reader empties it.

use std::io;
use std::task::{Context, Poll, ready};

use super::StreamProtocol;
use super::flow::Flags;
use crate::executor::{poll_operation, take_operation};
use crate::interface::ReceiveBuffer;

impl StreamProtocol {
    pub(in crate::streams) fn limit(&self) -> usize {
        self.limit
    }

    /// Moves what was received behind what the reader has in `own`.
    #[inline]
    pub(in crate::streams) fn take_inbox(&self, own: &mut ReceiveBuffer) {
        let mut inbox = self.inbox.take();
        if own.is_empty() {
            std::mem::swap(own, &mut inbox);
        } else if !inbox.is_empty() {
            own.extend_from_slice(inbox.filled());
            inbox.consume(inbox.len());
        }
        if inbox.has_memory() {
            self.give_back(inbox);
        }
    }

    /// Puts back what the reader has left: more will be received behind it. The inbox must be empty then.
    fn put_back(&self, own: &mut ReceiveBuffer) {
        let inbox = self.inbox.replace(std::mem::take(own));
        debug_assert!(inbox.is_empty());
    }

    /// The reader consumed `n` bytes of `own`, in which `left` are left.
    #[inline(always)]
    pub(in crate::streams) fn consumed(&self, own: &mut ReceiveBuffer, n: usize, left: usize) {
        self.unread.set(self.unread.get() - n);
        if left == 0 {
            self.give_back(std::mem::take(own));
        }
        if self.flow.any(Flags::READING_PAUSED) {
            self.resume_if_few();
        }
    }

    #[cold]
    fn resume_if_few(&self) {
        if self.unread.get() <= self.limit {
            self.resume_reading();
        }
    }

    /// Waits until there are more than `had` bytes, which is what the reader had when it began to wait: true, or
    /// false if no more will come. In either case they are all in `own` then. While it waits they are in the inbox,
    /// so nothing is lost if nobody polls again.
    ///
    /// # Errors
    ///
    /// If the connection failed.
    #[inline]
    pub(in crate::streams) fn poll_more(
        &self,
        own: &mut ReceiveBuffer,
        had: usize,
        cx: &Context<'_>,
    ) -> Poll<io::Result<bool>> {
        if self.unread.get() > had {
            self.take_inbox(own);
            return Poll::Ready(Ok(true));
        }
        if own.has_memory() {
            self.put_back(own);
        }
        self.poll_wait(own, cx)
    }

    /// As [`poll_more`](StreamProtocol::poll_more), for a reader that has nothing in `own`.
    #[inline(always)]
    pub(in crate::streams) fn poll_first(&self, own: &mut ReceiveBuffer, cx: &Context<'_>) -> Poll<io::Result<bool>> {
        let inbox = self.inbox.take();
        if !inbox.has_memory() {
            return self.poll_wait(own, cx);
        }
        if !take_operation() {
            return self.poll_first_again(own, inbox, cx);
        }
        // It has no memory, so there is nothing to drop, nor to find that out.
        std::mem::forget(std::mem::replace(own, inbox));
        Poll::Ready(Ok(true))
    }

    /// The step has no operation left for what is in the inbox.
    #[cold]
    fn poll_first_again(
        &self,
        own: &mut ReceiveBuffer,
        inbox: ReceiveBuffer,
        cx: &Context<'_>,
    ) -> Poll<io::Result<bool>> {
        self.inbox.set(inbox);
        ready!(poll_operation(cx));
        self.take_inbox(own);
        Poll::Ready(Ok(true))
    }

    /// There is nothing new in the inbox, and nothing in `own`: waits, unless no more will come.
    #[inline(always)]
    fn poll_wait(&self, own: &mut ReceiveBuffer, cx: &Context<'_>) -> Poll<io::Result<bool>> {
        if self.flow.any(Flags::ENDED | Flags::READING_PAUSED) {
            if self.flow.any(Flags::ENDED) {
                return self.no_more(own, cx);
            }
            // Whoever waits wants bytes, however many are there already.
            self.resume_reading();
        }
        self.reader_waits.set(self.executor(), cx);
        Poll::Pending
    }

    /// The stream has ended: the reader gets what is left, then the end or the error.
    #[cold]
    fn no_more(&self, own: &mut ReceiveBuffer, cx: &Context<'_>) -> Poll<io::Result<bool>> {
        ready!(poll_operation(cx));
        self.take_inbox(own);
        let outcome = if self.has_eof() { Ok(()) } else { self.outcome().map_err(as_received) };
        Poll::Ready(outcome.map(|()| false))
    }

    pub(in crate::streams) fn is_ended(&self) -> bool {
        self.flow.any(Flags::ENDED)
    }

    /// In a word, for reports.
    pub(super) fn describe_end(&self) -> String {
        match self.failure() {
            _ if self.has_eof() => "Eof".to_owned(),
            Some(error) if self.is_ended() => format!("Failed({error})"),
            _ => "Open".to_owned(),
        }
    }

    /// The stream ended, and well.
    pub(in crate::streams) fn has_eof(&self) -> bool {
        self.flow.any(Flags::EOF)
    }

    pub(in crate::streams) fn at_eof(&self) -> bool {
        self.unread.get() == 0 && self.has_eof()
    }

    /// The reader is dropped. Bytes that still come are thrown away, so that the writer goes on.
    pub(in crate::streams) fn throw_away_input(&self, mut own: ReceiveBuffer) {
        self.take_inbox(&mut own);
        own.consume(own.len());
        self.unread.set(0);
        self.consumed(&mut own, 0, 0);
    }
}

/// What a reader is told of a failure. A broken pipe is about a send that failed, which is no concern of the reader's; but
/// no end of the stream came either, so for the reader the connection was reset.
fn as_received(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::BrokenPipe { io::ErrorKind::ConnectionReset.into() } else { error }
}
