//! Bytes on their way out: gathered in this step, or left over from earlier ones.
//!
//! Usually they are one small vector that is filled, sent whole and given back. If the peer does not read, there may
//! be many bytes, and they must not be copied again and again as their number grows. So there is a first piece, which
//! grows up to 64 KiB, and a list of further pieces, which is made only when the first is full.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::constants::{BACKLOG_PIECE, PIECES_PER_SEND};

/// The bytes and their memory, which the loop lends and gets back when all bytes are sent.
#[derive(Default)]
pub(crate) struct Backlog {
    first: Vec<u8>,
    /// How much of `first` has been sent. Invariant: less than `first.len()`, or both are 0.
    sent: usize,
    /// Invariant: no piece is empty, and there is none while `first` is empty.
    rest: VecDeque<Vec<u8>>,
    rest_len: usize,
}

impl Backlog {
    /// How much memory the first piece has.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.first.capacity()
    }

    /// How many bytes are still to be sent.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.first.len() - self.sent + self.rest_len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The bytes to send, if they are one piece, as they usually are.
    #[inline]
    pub(crate) fn only_piece(&self) -> Option<&[u8]> {
        if self.rest_len == 0 { Some(self.front()) } else { None }
    }

    /// The part of the first piece that has not been sent.
    #[inline]
    pub(crate) fn front(&self) -> &[u8] {
        &self.first[self.sent..]
    }

    /// Adds bytes, at least one. Returns how many there are now.
    #[inline(always)]
    pub(crate) fn push(&mut self, data: &[u8]) -> usize {
        debug_assert!(!data.is_empty());
        if self.rest_len > 0 || self.first.capacity() - self.first.len() < data.len() {
            return self.push_slowly(data);
        }
        let len = self.first.len() - self.sent + data.len();
        self.first.extend_from_slice(data);
        len
    }

    /// Adds bytes if the first piece has no spare capacity for them, or further pieces follow it.
    #[cold]
    fn push_slowly(&mut self, data: &[u8]) -> usize {
        if self.first.is_empty() || self.rest_len == 0 && self.first.len() + data.len() <= BACKLOG_PIECE {
            append(&mut self.first, data);
        } else {
            self.rest_len += data.len();
            match self.rest.back_mut() {
                Some(last) if last.len() + data.len() <= BACKLOG_PIECE => append(last, data),
                _ => self.rest.push_back(data.to_vec()),
            }
        }
        self.len()
    }

    /// Drops `n` bytes from the front: they were sent.
    #[inline(always)]
    pub(crate) fn advance(&mut self, n: usize) {
        self.sent += n;
        if self.rest_len > 0 {
            self.drop_sent_pieces();
        }
        if self.sent == self.first.len() {
            self.sent = 0;
            self.first.clear();
        }
    }

    #[cold]
    fn drop_sent_pieces(&mut self) {
        while self.sent >= self.first.len() {
            let Some(next) = self.rest.pop_front() else { break };
            self.sent -= self.first.len();
            self.rest_len -= next.len();
            self.first = next;
        }
        if self.rest.is_empty() {
            // The memory that a burst needed is not kept.
            self.rest = VecDeque::new();
        }
    }

    /// Sends from the front until nothing is left or `send` takes less than it was offered. `send` returns how much it
    /// took.
    #[cold]
    pub(crate) fn send_pieces<E>(&mut self, mut send: impl FnMut(&[IoSlice<'_>]) -> Result<usize, E>) -> Result<(), E> {
        while !self.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES_PER_SEND];
            let mut used = 0;
            let mut offered = 0;
            let all = std::iter::once(self.front()).chain(self.rest.iter().map(Vec::as_slice));
            for (place, piece) in pieces.iter_mut().zip(all) {
                *place = IoSlice::new(piece);
                used += 1;
                offered += piece.len();
            }
            let sent = send(&pieces[..used])?;
            self.advance(sent);
            if sent < offered {
                break;
            }
        }
        Ok(())
    }
}

/// Appends to a piece, which grows by doubling, but not beyond `BACKLOG_PIECE` while the bytes fit into that. A plain
/// vector could grow to twice as much.
fn append(piece: &mut Vec<u8>, data: &[u8]) {
    if piece.capacity() - piece.len() < data.len() {
        let wanted = piece.len() + data.len();
        let capacity = (piece.capacity() * 2).min(BACKLOG_PIECE).max(wanted);
        piece.reserve_exact(capacity - piece.len());
    }
    piece.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The naive twin: one vector.
    #[test]
    fn any_pushes_and_partial_sends_keep_the_bytes_in_order() {
        let seed = Cell::new(0x9e37_79b9_7f4a_7c15_u64);
        let random = |below: usize| {
            seed.set(seed.get() ^ seed.get() << 13);
            seed.set(seed.get() ^ seed.get() >> 7);
            seed.set(seed.get() ^ seed.get() << 17);
            seed.get() as usize % below
        };
        let mut backlog = Backlog::default();
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
                assert_eq!(backlog.push(&data), backlog.len());
            }
            twin.extend(&data);
            while random(3) != 0 && !backlog.is_empty() {
                let sent = Cell::new(0);
                let take = |offered: &[u8]| {
                    assert_eq!(offered, &twin[sent.get()..][..offered.len()]);
                    let taken = [offered.len(), random(offered.len() + 1)][random(2)];
                    sent.set(sent.get() + taken);
                    Ok::<usize, ()>(taken)
                };
                match backlog.only_piece() {
                    Some(piece) => {
                        let taken = take(piece).unwrap();
                        backlog.advance(taken);
                    }
                    None => {
                        vectored += 1;
                        let send = |pieces: &[IoSlice<'_>]| {
                            take(&pieces.iter().flat_map(|piece| piece.to_vec()).collect::<Vec<u8>>())
                        };
                        backlog.send_pieces(send).unwrap();
                    }
                }
                twin.drain(..sent.get());
            }
            assert_eq!(backlog.len(), twin.len());
            assert_eq!(backlog.is_empty(), twin.is_empty());
        }
        assert!(vectored > 20, "the list of pieces was used {vectored} times");
    }

    #[test]
    fn a_piece_doubles_up_to_its_size_and_what_does_not_fit_into_one_gets_what_it_needs() {
        let mut piece = Vec::new();
        let mut capacities = Vec::new();
        while piece.len() + 1_000 <= BACKLOG_PIECE {
            append(&mut piece, &[0; 1_000]);
            capacities.push(piece.capacity());
        }
        capacities.dedup();
        assert_eq!(capacities, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, BACKLOG_PIECE]);
        append(&mut piece, &[0; BACKLOG_PIECE]);
        assert_eq!(piece.capacity(), piece.len());
    }
}
