//! Received bytes that the reader has not consumed: where they are, and how many.

use std::cell::Cell;

use crate::interface::ReceiveBuffer;

/// The received bytes that are not in the reader's [`Hand`].
#[derive(Default)]
pub(super) struct Inbox {
    /// Invariant: it has no memory while it is empty.
    buffer: Cell<ReceiveBuffer>,
    /// Invariant: the number of bytes in `buffer` and in the reader's hand together. Only the methods here add, consume
    /// or move bytes, so the sum is always right.
    unread: Cell<usize>,
}

/// The bytes that the reader has taken out of the inbox and not consumed yet. An empty hand has no memory.
#[derive(Default)]
pub(in crate::streams) struct Hand(ReceiveBuffer);

impl Hand {
    #[inline]
    pub(in crate::streams) fn filled(&self) -> &[u8] {
        self.0.filled()
    }

    #[inline]
    pub(in crate::streams) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the hand is empty. This is cheaper than asking for the length.
    #[inline]
    pub(in crate::streams) fn is_empty(&self) -> bool {
        !self.0.has_memory()
    }

    /// Makes room for `capacity` bytes, including those already in the hand.
    pub(in crate::streams) fn grow(&mut self, capacity: usize) {
        self.0.grow(capacity);
    }

    /// Takes the memory out of a hand whose bytes were all consumed.
    #[inline]
    pub(super) fn take_memory(&mut self) -> ReceiveBuffer {
        debug_assert!(self.0.is_empty());
        std::mem::take(&mut self.0)
    }
}

impl Inbox {
    #[inline]
    pub(super) fn unread(&self) -> usize {
        self.unread.get()
    }

    /// Lends the buffer to receive into. It comes back with [`put`](Inbox::put).
    #[inline]
    pub(super) fn lend(&self) -> ReceiveBuffer {
        self.buffer.take()
    }

    /// Puts the buffer back, with `received` new bytes in it. Returns how many bytes are now unread.
    #[inline]
    pub(super) fn put(&self, buffer: ReceiveBuffer, received: usize) -> usize {
        self.buffer.set(buffer);
        let unread = self.unread.get() + received;
        self.unread.set(unread);
        unread
    }

    /// Moves everything into an empty hand, without copying. Returns false if the inbox is empty.
    #[inline(always)]
    pub(super) fn move_to_empty(&self, hand: &mut Hand) -> bool {
        let buffer = self.buffer.take();
        let moved = buffer.has_memory();
        if moved {
            hand.0 = buffer;
        }
        moved
    }

    /// Moves everything behind the bytes in the hand. Returns an empty buffer, which may have memory.
    #[inline]
    pub(super) fn move_behind(&self, hand: &mut Hand) -> ReceiveBuffer {
        let mut buffer = self.buffer.take();
        if hand.0.is_empty() {
            std::mem::swap(&mut hand.0, &mut buffer);
        } else if !buffer.is_empty() {
            hand.0.extend_from_slice(buffer.filled());
            buffer.consume(buffer.len());
        }
        buffer
    }

    /// Takes back the bytes left in the hand, so that new bytes are received behind them. The inbox must be empty.
    pub(super) fn take_back(&self, hand: &mut Hand) {
        let buffer = self.buffer.replace(std::mem::take(&mut hand.0));
        debug_assert!(buffer.is_empty());
    }

    /// Consumes `n` bytes of the hand, after passing them to `keep`. Returns the result of `keep`, and how many bytes
    /// are left in the hand.
    #[inline(always)]
    #[track_caller]
    pub(super) fn consume<T>(&self, hand: &mut Hand, n: usize, keep: impl FnOnce(&[u8]) -> T) -> (T, usize) {
        let (bytes, left) = hand.0.take_front(n);
        let kept = keep(bytes);
        self.unread.set(self.unread.get() - n);
        (kept, left)
    }

    /// Consumes `n` bytes of the hand; see [`ReceiveBuffer::split_front`].
    pub(super) fn split(&self, hand: &mut Hand, n: usize, capacity: usize) -> Vec<u8> {
        let bytes = hand.0.split_front(n, capacity);
        self.unread.set(self.unread.get() - n);
        bytes
    }

    /// Takes all unread bytes away from the reader.
    #[cfg(feature = "tls")]
    pub(super) fn take_all(&self, hand: &mut Hand) -> ReceiveBuffer {
        drop(self.move_behind(hand));
        self.unread.set(0);
        std::mem::take(&mut hand.0)
    }
}
