//! Plaintext that waits to be encrypted, in pieces of the size in which that is done: it grows without being moved, and
//! what is encrypted is freed.

use std::collections::VecDeque;

use crate::constants::tls::SEAL_PIECE;

#[derive(Default)]
pub(super) struct Backlog {
    /// Invariant: none is empty, and all but the last hold `SEAL_PIECE` bytes.
    pieces: VecDeque<Vec<u8>>,
    len: usize,
}

impl Backlog {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn push(&mut self, mut data: &[u8]) {
        self.len += data.len();
        while !data.is_empty() {
            if self.pieces.back().is_none_or(|last| last.len() == SEAL_PIECE) {
                self.pieces.push_back(Vec::new());
            }
            let Some(last) = self.pieces.back_mut() else { return };
            let (fits, rest) = data.split_at(data.len().min(SEAL_PIECE - last.len()));
            last.extend_from_slice(fits);
            data = rest;
        }
    }

    /// Takes the first piece.
    pub(super) fn pop(&mut self) -> Option<Vec<u8>> {
        let piece = self.pieces.pop_front()?;
        self.len -= piece.len();
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_in_any_sizes_comes_out_in_order() {
        let data: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let mut backlog = Backlog::default();
        let (mut rest, mut out) = (&data[..], Vec::new());
        for size in [1, 100, SEAL_PIECE - 101, SEAL_PIECE, 0, SEAL_PIECE + 1, 130_000].into_iter().cycle() {
            let (now, later) = rest.split_at(size.min(rest.len()));
            backlog.push(now);
            rest = later;
            if size == SEAL_PIECE {
                out.extend(backlog.pop().unwrap());
            }
            assert_eq!(backlog.len() + out.len() + rest.len(), data.len());
            if rest.is_empty() {
                break;
            }
        }
        while let Some(piece) = backlog.pop() {
            assert!(piece.len() == SEAL_PIECE || backlog.is_empty());
            out.extend(piece);
        }
        assert!(out == data);
    }
}
