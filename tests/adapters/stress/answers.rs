//! The polls, and the model's judgement of each answer.

use std::io::{self, IoSlice};
use std::task::Poll;

use super::scene::{Broken, Scene};
use super::sides::Side;

/// The most that one call writes.
const MOST_PER_WRITE: usize = 256 * 1024;

/// A write of at least this size goes directly to the system if nothing is left unsent.
const PASSED_ON: usize = 32 * 1024;

impl<S: Side> Scene<'_, S> {
    pub(super) fn poll_read(&mut self) {
        let len = if self.random.below(30) == 0 { 0 } else { self.random.size() };
        let mut buf = vec![0; len];
        let answer = self.reading.poll(&mut self.random, |cx| self.side.read(cx, &mut buf));
        if len == 0 {
            assert!(matches!(answer, Poll::Ready(Ok(0))), "nothing was asked for, and {answer:?} came");
            return;
        }
        if let Poll::Ready(Ok(n)) = answer {
            assert!(n <= len);
        }
        self.judge_read(answer, &buf);
    }

    pub(super) fn poll_lend(&mut self) {
        let mut buf = vec![0; self.random.size()];
        let answer = self.reading.poll(&mut self.random, |cx| self.side.lend(cx, &mut buf));
        self.judge_read(answer, &buf);
    }

    fn judge_read(&mut self, answer: Poll<io::Result<usize>>, buf: &[u8]) {
        let there = self.seen.received.get() - self.read;
        let is_cut = self.broken == Broken::BothWays;
        let is_over = self.seen.input_is_over.get() || is_cut;
        match answer {
            Poll::Ready(Ok(0)) => assert!(is_over && there == 0, "the end was told with {there} bytes unread"),
            Poll::Ready(Ok(n)) => {
                assert!(n <= there, "{n} bytes were read where {there} had come");
                let n = n.min(buf.len());
                assert!(&buf[..n] == self.bytes(self.read, n), "other bytes were read than came");
                self.read += n;
                self.happened.bytes_read += n;
            }
            Poll::Ready(Err(error)) => {
                assert!(self.is_broken() && there == 0, "{error} with {there} bytes unread");
            }
            Poll::Pending => {
                self.happened.reads_waited += 1;
                assert!(there == 0 || !self.reading.waits(), "a read waits where {there} bytes are unread");
            }
        }
    }

    pub(super) fn poll_write(&mut self) {
        let len = if self.random.below(30) == 0 { 0 } else { self.random.size() * (1 + self.random.below(2)) };
        let (data, unsent) = (self.bytes(self.written, len), self.unsent());
        let answer = self.writing.poll(&mut self.random, |cx| self.side.write(cx, data));
        self.judge_write(answer, len, len.min(MOST_PER_WRITE), unsent);
    }

    pub(super) fn poll_write_vectored(&mut self) {
        let len = self.random.size() * 2;
        let data = self.bytes(self.written, len);
        let (first, rest) = data.split_at(self.random.below(len));
        let (second, third) = rest.split_at(self.random.below(rest.len()));
        let parts = [first, &[], second, third].map(IoSlice::new);
        // One call takes all pieces, or as many whole ones as fit, or the front of the first.
        let sizes = [len, first.len() + second.len(), first.len()];
        let fits = sizes.into_iter().find(|size| (1..=MOST_PER_WRITE).contains(size)).unwrap_or(MOST_PER_WRITE);
        let unsent = self.unsent();
        let answer = self.writing.poll(&mut self.random, |cx| self.side.write_vectored(cx, &parts));
        self.judge_write(answer, len, fits, unsent);
    }

    /// How many bytes the connection holds unsent.
    pub(super) fn unsent(&self) -> usize {
        self.written - self.seen.sent.get()
    }

    /// Judges the answer to a write of `len` bytes, when one call takes `fits` of them and `unsent` bytes are still
    /// unsent.
    fn judge_write(&mut self, answer: Poll<io::Result<usize>>, len: usize, fits: usize, unsent: usize) {
        let (low, high) = self.side.connection().writer.transport().get_write_buffer_limits();
        match answer {
            Poll::Ready(Ok(n)) => {
                // A large write may be passed on without a copy: then the count is what the system took.
                let is_passed_on = len >= PASSED_ON && unsent == 0 && (1..=len).contains(&n);
                assert!(n == fits || is_passed_on, "{n} of {len} bytes were written, and not {fits}");
                self.happened.passed_on += usize::from(n != fits);
                assert!(!self.has_ended, "something was written behind the end");
                assert!(self.turns_since_noticed < 8, "a broken connection still takes bytes");
                if self.broken == Broken::No {
                    assert!(unsent <= high, "it was written although {unsent} bytes are not sent");
                    self.written += n;
                    self.happened.bytes_written += n;
                }
            }
            Poll::Ready(Err(error)) => assert!(self.is_broken() || self.has_ended, "{error}"),
            Poll::Pending => {
                self.happened.writes_waited += 1;
                // The system may have refused a large write, of which nothing is kept.
                let was_refused = unsent == 0 && self.seen.is_full.get();
                self.happened.writes_refused += usize::from(was_refused);
                let may_wait = unsent > low || self.may_wait && unsent > 0 || was_refused || self.is_broken();
                assert!(may_wait || !self.writing.waits(), "a write waits though only {unsent} bytes are not sent");
            }
        }
    }

    pub(super) fn poll_flush(&mut self) {
        let answer = if self.has_ended {
            self.flushing.poll(&mut self.random, |cx| self.side.end(cx))
        } else {
            self.flushing.poll(&mut self.random, |cx| self.side.flush(cx))
        };
        let sent = self.seen.sent.get();
        match answer {
            Poll::Ready(Ok(())) => assert!(
                sent >= self.written_in_earlier_steps || self.is_broken(),
                "flushed with {} bytes not sent",
                self.unsent()
            ),
            Poll::Ready(Err(error)) => assert!(self.is_broken(), "{error}"),
            Poll::Pending => {
                self.may_wait = true;
                self.happened.flushes_waited += 1;
                let may_wait = self.unsent() > 0 || self.is_broken();
                assert!(may_wait || !self.flushing.waits(), "a flush waits for nothing");
            }
        }
    }

    pub(super) fn end_our_side(&mut self) {
        self.happened.half_closes += usize::from(!self.has_ended);
        self.has_ended = true;
        self.poll_flush();
    }
}
