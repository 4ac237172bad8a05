//! Reading lines.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::task::{Context, Poll, ready};

use super::{StreamReader, append};
use crate::errors::ReadError;
use crate::executor::{Awaited, Reason, poll_operation, return_operation, take_operation};
use crate::streams::newline::newline;

impl StreamReader {
    /// Reads a line, including its `\n`. The last line of the stream may end without one. After it, every call returns
    /// an empty line.
    ///
    /// # Errors
    ///
    /// [`ReadError::LimitOverrun`] if the line is longer than the limit. The received part of it is thrown away, up to
    /// and including its `\n`. [`ReadError::Io`] if the connection failed and the lines before the failure were read.
    #[inline]
    #[track_caller]
    pub fn readline(&mut self) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let at = Location::caller();
        let mut searched = 0;
        poll_fn(move |cx| {
            let reason = Reason::new(Awaited::Readline, at);
            self.poll_line(&mut searched, self.protocol.limit(), reason, cx, <[u8]>::to_vec)
        })
    }

    /// Reads a line as [`readline`](StreamReader::readline) does, with a limit for this line only, which may exceed the
    /// reader's own.
    ///
    /// # Errors
    ///
    /// The same as [`readline`](StreamReader::readline).
    #[inline]
    #[track_caller]
    pub fn readline_within(&mut self, limit: usize) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let at = Location::caller();
        let mut searched = 0;
        poll_fn(move |cx| self.poll_line(&mut searched, limit, Reason::new(Awaited::Readline, at), cx, <[u8]>::to_vec))
    }

    /// Reads a line as [`readline`](StreamReader::readline) does, and appends it to `line`: reusing a `Vec` saves the
    /// allocation. Returns how many bytes were appended.
    ///
    /// # Errors
    ///
    /// The same as [`readline`](StreamReader::readline); nothing is appended then.
    #[inline]
    #[track_caller]
    pub fn readline_into(&mut self, line: &mut Vec<u8>) -> impl Future<Output = Result<usize, ReadError>> {
        let at = Location::caller();
        let mut searched = 0;
        poll_fn(move |cx| {
            let reason = Reason::new(Awaited::ReadlineInto, at);
            self.poll_line(&mut searched, self.protocol.limit(), reason, cx, |bytes| append(line, bytes))
        })
    }

    /// Reads the next line, including its `\n`; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// The same as [`readline`](StreamReader::readline); the lines after one that was too long can be read.
    #[doc(alias = "async for")]
    #[doc(alias = "__anext__")]
    #[inline]
    #[track_caller]
    pub fn next_line(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, ReadError>> {
        let at = Location::caller();
        let mut searched = 0;
        poll_fn(move |cx| self.poll_next_line(&mut searched, Reason::new(Awaited::NextLine, at), cx))
    }

    /// Polls for the next line. Earlier polls have searched its first `searched` bytes for a newline.
    #[inline(always)]
    pub(crate) fn poll_next_line(
        &mut self,
        searched: &mut usize,
        reason: Reason,
        cx: &Context<'_>,
    ) -> Poll<Result<Option<Vec<u8>>, ReadError>> {
        self.poll_line(searched, self.protocol.limit(), reason, cx, |line| {
            if line.is_empty() { None } else { Some(line.to_vec()) }
        })
    }

    /// Waits for the next line, which is empty at the end of the stream, and consumes it after passing it to `keep`.
    /// Most lines are already in the hand, and are found without a further call.
    #[inline(always)]
    fn poll_line<T>(
        &mut self,
        searched: &mut usize,
        limit: usize,
        reason: Reason,
        cx: &Context<'_>,
        keep: impl FnOnce(&[u8]) -> T,
    ) -> Poll<Result<T, ReadError>> {
        let at_hand = self.hand.filled();
        match newline(at_hand) {
            Some(place) if place <= limit && take_operation() => {
                let kept = keep(&at_hand[..=place]);
                self.consume(place + 1);
                Poll::Ready(Ok(kept))
            }
            _ => {
                let end = ready!(self.poll_line_end(searched, limit, reason, cx))?;
                Poll::Ready(Ok(self.take_with(end, keep)))
            }
        }
    }

    /// Waits for a newline behind the first `searched` bytes, and returns the length of the line, which is 0 at the end
    /// of the stream. [`search`](StreamReader::search) does the same for any separator; lines are so common that a
    /// faster path is worth its code.
    #[inline(never)]
    fn poll_line_end(
        &mut self,
        searched: &mut usize,
        limit: usize,
        reason: Reason,
        cx: &Context<'_>,
    ) -> Poll<Result<usize, ReadError>> {
        if *searched == 0 && self.hand.is_empty() {
            // The hand is empty: the line begins in the inbox, or nothing has come.
            ready!(self.protocol.poll_first(&mut self.hand, reason, cx))?;
        } else {
            ready!(poll_operation(cx));
        }
        loop {
            // After a wait the bytes may still be in the inbox. Then the hand holds fewer than were searched.
            if let Some(unsearched) = self.hand.filled().get(*searched..) {
                let newline = newline(unsearched).map(|place| *searched + place);
                *searched = self.hand.len();
                if newline.is_none() && self.take_what_came() {
                    // The limit is checked when all received bytes were searched, so that a line that is too long can
                    // be thrown away including its end.
                    continue;
                }
                let line = newline.unwrap_or(*searched);
                if line > limit {
                    // The line is thrown away, so that the next one can be read.
                    self.consume(newline.map_or(*searched, |newline| newline + 1));
                    return Poll::Ready(Err(ReadError::LimitOverrun { consumed: line }));
                }
                if let Some(newline) = newline {
                    return Poll::Ready(Ok(newline + 1));
                }
            }
            let more = self.protocol.poll_more(&mut self.hand, *searched, reason, cx);
            if more.is_pending() {
                return_operation();
            }
            if !ready!(more)? {
                return Poll::Ready(Ok(self.hand.len()));
            }
        }
    }
}
