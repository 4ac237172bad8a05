//! The incoming side of a stream, as the reader empties it.

use std::io;
use std::task::{Context, Poll};

use super::StreamProtocol;
use crate::executor::Waiter;
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
        self.held.set(own.len());
        if inbox.has_memory() {
            self.give_back(inbox);
        }
    }

    /// Puts back what the reader has left: more will be received behind it. The inbox must be empty then.
    #[inline]
    fn put_back(&self, own: &mut ReceiveBuffer) {
        self.held.set(0);
        if own.has_memory() {
            let own = std::mem::take(own);
            if own.is_empty() {
                self.give_back(own);
            } else {
                self.inbox.set(own);
            }
        }
    }

    /// The reader consumed bytes of `own`.
    #[inline]
    pub(in crate::streams) fn consumed(&self, own: &mut ReceiveBuffer) {
        self.held.set(own.len());
        if own.is_empty() || self.flow.reading_paused.get() {
            self.consumed_much(own);
        }
    }

    fn consumed_much(&self, own: &mut ReceiveBuffer) {
        if own.is_empty() && own.has_memory() {
            self.give_back(std::mem::take(own));
        }
        if self.flow.reading_paused.get() && self.held.get() + self.inbox_len() <= self.limit {
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
        if own.len() + self.inbox_len() > had {
            self.take_inbox(own);
            return Poll::Ready(Ok(true));
        }
        self.poll_wait(own, cx)
    }

    /// As [`poll_more`](StreamProtocol::poll_more), for a reader that has nothing in `own`.
    #[inline]
    pub(in crate::streams) fn poll_first(&self, own: &mut ReceiveBuffer, cx: &Context<'_>) -> Poll<io::Result<bool>> {
        let inbox = self.inbox.take();
        if inbox.is_empty() {
            self.inbox.set(inbox);
            return self.poll_wait(own, cx);
        }
        self.held.set(inbox.len());
        *own = inbox;
        Poll::Ready(Ok(true))
    }

    /// There is nothing new in the inbox: waits, unless no more will come.
    fn poll_wait(&self, own: &mut ReceiveBuffer, cx: &Context<'_>) -> Poll<io::Result<bool>> {
        if self.flow.ended.get() {
            self.take_inbox(own);
            return Poll::Ready(self.outcome().map(|()| false));
        }
        self.put_back(own);
        // Whoever waits wants bytes, however many are there already.
        if self.flow.reading_paused.get() {
            self.resume_reading();
        }
        self.reader_waits.set(self.waiter(cx));
        Poll::Pending
    }

    #[inline]
    fn waiter(&self, cx: &Context<'_>) -> Waiter {
        match &self.event_loop {
            Some(event_loop) => event_loop.core().executor.waiter(cx),
            None => Waiter::of(cx),
        }
    }

    pub(in crate::streams) fn is_ended(&self) -> bool {
        self.flow.ended.get()
    }

    /// In a word, for reports.
    pub(super) fn describe_end(&self) -> String {
        match self.failure() {
            Some(error) => format!("Failed({error})"),
            None if self.is_ended() => "Eof".to_owned(),
            None => "Open".to_owned(),
        }
    }

    /// The stream ended, and well.
    pub(in crate::streams) fn has_eof(&self) -> bool {
        self.flow.ended.get() && self.failure().is_none()
    }

    pub(in crate::streams) fn at_eof(&self, own: &ReceiveBuffer) -> bool {
        own.is_empty() && self.has_eof() && self.inbox_len() == 0
    }

    /// The reader is dropped. Bytes that still come are thrown away, so that the writer goes on.
    pub(in crate::streams) fn reader_gone(&self, mut own: ReceiveBuffer) {
        self.flow.reader_gone.set(true);
        self.take_inbox(&mut own);
        own.consume(own.len());
        self.consumed(&mut own);
    }
}
