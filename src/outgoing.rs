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
    /// `None` for a transport that has nothing to send, as one has most of the time. Invariant: what is here is not
    /// empty.
    backlog: Option<Box<Backlog>>,
}

/// The memory of what is buffered. It is lent by the loop and given back when all is sent.
#[derive(Default)]
pub(crate) struct Backlog {
    first: Vec<u8>,
    /// How much of `first` has been sent. Invariant: less than `first.len()`, or both are 0.
    sent: usize,
    /// Invariant: no piece is empty, and there is none while `first` is empty.
    rest: VecDeque<Vec<u8>>,
    rest_len: usize,
}

impl Outgoing {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.first.len() - backlog.sent + backlog.rest_len)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.backlog.is_none()
    }

    /// Adds bytes, of which there must be some. Where nothing was buffered, `memory` says into which memory. Returns
    /// how many there are then.
    #[inline(always)]
    pub(crate) fn push(&mut self, data: &[u8], memory: impl FnOnce() -> Box<Backlog>) -> usize {
        debug_assert!(!data.is_empty());
        let backlog = self.backlog.get_or_insert_with(memory);
        let fits = backlog.first.len() + data.len() <= BACKLOG_PIECE && backlog.rest_len == 0;
        if fits || backlog.first.is_empty() {
            append(&mut backlog.first, data);
        } else {
            backlog.push_behind(data);
        }
        backlog.first.len() - backlog.sent + backlog.rest_len
    }

    /// Offers the front to `send`: the only piece, or a list of pieces; `send` answers how much of it went out.
    /// Returns how much was offered beside the answer.
    #[inline]
    pub(crate) fn offer<R>(&self, one: impl FnOnce(&[u8]) -> R, many: impl FnOnce(&[IoSlice<'_>]) -> R) -> (usize, R) {
        match &self.backlog {
            None => (0, one(&[])),
            Some(backlog) if backlog.rest_len == 0 => (backlog.front().len(), one(backlog.front())),
            Some(backlog) => backlog.offer_pieces(many),
        }
    }

    /// Drops `n` bytes from the front: they were sent. Gives the memory back if nothing is left.
    #[inline]
    pub(crate) fn advance(&mut self, n: usize) -> Option<Box<Backlog>> {
        let backlog = self.backlog.as_mut()?;
        if backlog.rest_len == 0 && backlog.sent + n == backlog.first.len() {
            backlog.sent = 0;
            backlog.first.clear();
            return self.backlog.take();
        }
        backlog.advance_over_pieces(n);
        if backlog.first.is_empty() { self.backlog.take() } else { None }
    }
}

impl Backlog {
    /// How much memory is kept.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.first.capacity() + self.rest.capacity() * size_of::<Vec<u8>>()
    }

    #[inline]
    fn front(&self) -> &[u8] {
        &self.first[self.sent..]
    }

    #[cold]
    fn push_behind(&mut self, data: &[u8]) {
        self.rest_len += data.len();
        match self.rest.back_mut() {
            Some(last) if last.len() + data.len() <= BACKLOG_PIECE => append(last, data),
            _ => self.rest.push_back(data.to_vec()),
        }
    }

    #[cold]
    fn offer_pieces<R>(&self, many: impl FnOnce(&[IoSlice<'_>]) -> R) -> (usize, R) {
        let mut pieces = [IoSlice::new(&[]); PIECES_PER_SEND];
        let mut used = 0;
        let mut offered = 0;
        let all = std::iter::once(self.front()).chain(self.rest.iter().map(Vec::as_slice));
        for (place, piece) in pieces.iter_mut().zip(all) {
            *place = IoSlice::new(piece);
            used += 1;
            offered += piece.len();
        }
        (offered, many(&pieces[..used]))
    }

    #[cold]
    fn advance_over_pieces(&mut self, n: usize) {
        self.sent += n;
        while self.sent >= self.first.len() {
            self.sent -= self.first.len();
            let Some(piece) = self.rest.pop_front() else {
                debug_assert_eq!(self.sent, 0, "more was sent than was there");
                self.first.clear();
                break;
            };
            self.rest_len -= piece.len();
            self.first = piece;
        }
    }
}

/// Adds to a piece. It grows by doubling, but not over the size of a piece for what fits into one: a vector left to
/// itself would hold twice that.
#[inline(always)]
fn append(piece: &mut Vec<u8>, data: &[u8]) {
    if piece.capacity() - piece.len() < data.len() {
        grow(piece, data.len());
    }
    piece.extend_from_slice(data);
}

#[cold]
fn grow(piece: &mut Vec<u8>, extra: usize) {
    let wanted = piece.len() + extra;
    let capacity = (piece.capacity() * 2).min(BACKLOG_PIECE).max(wanted);
    piece.reserve_exact(capacity - piece.len());
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
            if !data.is_empty() {
                assert_eq!(outgoing.push(&data, Box::default), outgoing.len());
            }
            twin.extend(&data);
            while random(3) != 0 && !outgoing.is_empty() {
                let (offered, front) = outgoing.offer(<[u8]>::to_vec, |pieces| {
                    vectored += 1;
                    pieces.iter().flat_map(|piece| piece.to_vec()).collect()
                });
                assert_eq!(offered, front.len());
                assert_eq!(front, twin[..offered]);
                let sent = random(offered + 1);
                let given_back = outgoing.advance(sent);
                assert_eq!(given_back.is_some(), outgoing.is_empty());
                twin.drain(..sent);
            }
            assert_eq!(outgoing.len(), twin.len());
            assert_eq!(outgoing.is_empty(), twin.is_empty());
        }
        assert!(vectored > 20, "the list of pieces was used {vectored} times");
    }
}
