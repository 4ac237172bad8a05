//! Bytes on their way to the kernel: gathered in this step, or left over from earlier ones.
//!
//! Operations wanted: append, offer the front for a send, drop what was sent. Goals: one small vector in the usual
//! case (gathered, sent whole, given back), and for a peer that does not read a backlog that is never moved in
//! memory, whatever its size. So there is a first piece, and behind it a list of further ones that is only made when
//! the first is full.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::constants::{BACKLOG_PIECE, PIECES_PER_SEND};

#[derive(Default)]
pub(crate) struct Outgoing {
    first: Vec<u8>,
    /// How much of `first` has been sent. Invariant: less than `first.len()`, or both are 0.
    sent: usize,
    /// Invariant: no piece is empty, and there is none while `first` is empty.
    rest: Option<Box<Rest>>,
}

#[derive(Default)]
struct Rest {
    pieces: VecDeque<Vec<u8>>,
    len: usize,
}

impl Outgoing {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.first.len() - self.sent + self.rest.as_ref().map_or(0, |rest| rest.len)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Whether there is no memory to gather in yet: [`lend`](Outgoing::lend) some before the next push.
    #[inline]
    pub(crate) fn wants_memory(&self) -> bool {
        self.first.capacity() == 0
    }

    #[inline]
    pub(crate) fn lend(&mut self, memory: Vec<u8>) {
        self.first = memory;
    }

    /// Gives the memory back, once all is sent.
    #[inline]
    pub(crate) fn take_memory(&mut self) -> Vec<u8> {
        debug_assert!(self.is_empty());
        self.rest = None;
        std::mem::take(&mut self.first)
    }

    #[inline]
    pub(crate) fn push(&mut self, data: &[u8]) {
        let fits = self.first.len() + data.len() <= BACKLOG_PIECE && self.has_one_piece();
        if self.first.is_empty() || fits {
            self.first.extend_from_slice(data);
        } else {
            self.push_behind(data);
        }
    }

    #[inline]
    fn has_one_piece(&self) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.pieces.is_empty())
    }

    #[cold]
    fn push_behind(&mut self, data: &[u8]) {
        let rest = self.rest.get_or_insert_default();
        rest.len += data.len();
        match rest.pieces.back_mut() {
            Some(last) if last.len() + data.len() <= BACKLOG_PIECE => last.extend_from_slice(data),
            _ if data.is_empty() => {}
            _ => rest.pieces.push_back(data.to_vec()),
        }
    }

    /// Offers the front to `send`: the only piece, or a list of pieces; `send` answers how much of it went out.
    /// Returns how much was offered beside the answer.
    #[inline]
    pub(crate) fn offer<R>(&self, one: impl FnOnce(&[u8]) -> R, many: impl FnOnce(&[IoSlice<'_>]) -> R) -> (usize, R) {
        let front = &self.first[self.sent..];
        match &self.rest {
            Some(rest) if !rest.pieces.is_empty() => {
                let mut pieces = [IoSlice::new(&[]); PIECES_PER_SEND];
                let mut used = 0;
                let mut offered = 0;
                let all = std::iter::once(front).chain(rest.pieces.iter().map(Vec::as_slice));
                for (place, piece) in pieces.iter_mut().zip(all) {
                    *place = IoSlice::new(piece);
                    used += 1;
                    offered += piece.len();
                }
                (offered, many(&pieces[..used]))
            }
            _ => (front.len(), one(front)),
        }
    }

    /// Drops `n` bytes from the front: they were sent.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) {
        self.sent += n;
        while self.sent >= self.first.len() {
            self.sent -= self.first.len();
            if !self.next_piece() {
                debug_assert_eq!(self.sent, 0, "more was sent than was there");
                break;
            }
        }
    }

    /// The next piece becomes the first; false if there is none.
    #[inline]
    fn next_piece(&mut self) -> bool {
        let next = self.rest.as_mut().and_then(|rest| {
            let piece = rest.pieces.pop_front()?;
            rest.len -= piece.len();
            Some(piece)
        });
        match next {
            Some(piece) => self.first = piece,
            None => self.first.clear(),
        }
        !self.first.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The naive twin: one vector.
    #[test]
    fn any_pushes_and_partial_sends_keep_the_bytes_in_order() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed as usize % below
        };
        let mut outgoing = Outgoing::default();
        let mut twin: Vec<u8> = Vec::new();
        let mut next = 0_u8;
        let mut vectored = 0;
        for _ in 0..300 {
            let data: Vec<u8> = (0..[0, 1, 100, BACKLOG_PIECE, 3 * BACKLOG_PIECE][random(5)])
                .map(|_| {
                    next = next.wrapping_add(1);
                    next
                })
                .collect();
            outgoing.push(&data);
            twin.extend(&data);
            while random(3) != 0 && !outgoing.is_empty() {
                let (offered, front) = outgoing.offer(<[u8]>::to_vec, |pieces| {
                    vectored += 1;
                    pieces.iter().flat_map(|piece| piece.to_vec()).collect()
                });
                assert_eq!(offered, front.len());
                assert_eq!(front, twin[..offered]);
                let sent = random(offered + 1);
                outgoing.advance(sent);
                twin.drain(..sent);
            }
            assert_eq!(outgoing.len(), twin.len());
            assert_eq!(outgoing.is_empty(), twin.is_empty());
        }
        assert!(vectored > 20, "the list of pieces was used {vectored} times");
    }
}
