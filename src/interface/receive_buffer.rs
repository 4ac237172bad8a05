//! A buffer that changes hands: the protocol lends it, the transport fills it, the reader empties it.

use std::fmt;

/// A fixed block of memory with a filled part in it: bytes are received behind the filled part and consumed from
/// its front.
///
/// ```
/// let mut buffer = waterwheel::ReceiveBuffer::new(8);
/// buffer.room()[..5].copy_from_slice(b"hello");
/// buffer.advance(5);
/// buffer.consume(2);
/// assert_eq!(buffer.filled(), b"llo");
/// // Consuming makes no room behind the filled part until nothing is left.
/// assert_eq!((buffer.room().len(), buffer.capacity()), (3, 8));
/// buffer.consume(3);
/// assert_eq!(buffer.room().len(), buffer.capacity());
/// ```
#[derive(Default)]
pub struct ReceiveBuffer {
    /// Behind one pointer, since buffers are moved several times for each message. Without a block there is no room.
    block: Option<Box<Block>>,
}

struct Block {
    /// Initialised once, as a whole, so that it can be lent to the operating system without `unsafe`.
    memory: Box<[u8]>,
    /// Invariant: `start <= end <= memory.len()`, and both are 0 whenever nothing is filled.
    start: usize,
    end: usize,
}

impl ReceiveBuffer {
    /// An empty buffer with room for `capacity` bytes.
    #[inline(never)]
    pub fn new(capacity: usize) -> Self {
        // A zeroed allocation: pages that nothing is received into are never touched.
        ReceiveBuffer::with(vec![0; capacity].into_boxed_slice(), 0)
    }

    fn with(memory: Box<[u8]>, end: usize) -> Self {
        ReceiveBuffer { block: Some(Box::new(Block { memory, start: 0, end })) }
    }

    /// The bytes that were received and not yet consumed.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        match &self.block {
            Some(block) => &block.memory[block.start..block.end],
            None => &[],
        }
    }

    /// How many bytes are filled.
    #[inline]
    pub fn len(&self) -> usize {
        self.block.as_ref().map_or(0, |block| block.end - block.start)
    }

    /// Whether nothing is filled.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a block at all: an idle stream has none.
    #[inline]
    pub(crate) fn has_memory(&self) -> bool {
        self.block.is_some()
    }

    /// The size of the block in bytes.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.block.as_ref().map_or(0, |block| block.memory.len())
    }

    /// The part behind the filled one, to receive into. Bytes written there count as filled after
    /// [`advance`](ReceiveBuffer::advance).
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        match &mut self.block {
            Some(block) => &mut block.memory[block.end..],
            None => &mut [],
        }
    }

    /// Marks the first `n` bytes of the room as filled.
    ///
    /// # Panics
    ///
    /// If there is less room than that.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.room().len(), "more bytes received than there was room for");
        if let Some(block) = &mut self.block {
            block.end += n;
        }
    }

    /// Takes `n` bytes from the front.
    ///
    /// # Panics
    ///
    /// If fewer are filled.
    #[inline]
    #[track_caller]
    pub fn consume(&mut self, n: usize) {
        self.drop_front(n);
    }

    /// Like [`consume`](ReceiveBuffer::consume), and returns how many bytes are left.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn drop_front(&mut self, n: usize) -> usize {
        self.take_front(n).1
    }

    /// Like [`consume`](ReceiveBuffer::consume), and returns the consumed bytes and how many are left.
    #[inline(always)]
    #[track_caller]
    pub(crate) fn take_front(&mut self, n: usize) -> (&[u8], usize) {
        let len = self.len();
        assert!(n <= len, "more bytes consumed than there are");
        let Some(block) = &mut self.block else { return (&[], 0) };
        let start = block.start;
        block.start += n;
        if n == len {
            block.start = 0;
            block.end = 0;
        }
        (block.memory.get(start..start + n).unwrap_or_default(), len - n)
    }

    /// Makes room for `extra` bytes: by moving the filled part to the front if that frees at least as much as it
    /// moves, else by doubling. So the amortised cost per byte is constant for any sequence of calls.
    pub(crate) fn reserve(&mut self, extra: usize) {
        self.reserve_within(extra, usize::MAX);
    }

    /// Like [`reserve`](ReceiveBuffer::reserve), but doubles to at most `most` bytes, unless `extra` needs more.
    pub(crate) fn reserve_within(&mut self, extra: usize, most: usize) {
        if self.room().len() >= extra {
            return;
        }
        let (len, capacity) = (self.len(), self.capacity());
        match &mut self.block {
            Some(block) if capacity - len >= extra && block.start >= len => {
                block.memory.copy_within(block.start..block.end, 0);
                block.start = 0;
                block.end = len;
            }
            _ => self.replace((capacity * 2).min(most).max(len + extra)),
        }
    }

    /// Makes the block large enough for `capacity` bytes, including the filled ones.
    pub(crate) fn grow(&mut self, capacity: usize) {
        if self.len() + self.room().len() < capacity {
            self.replace(capacity);
        }
    }

    /// Replaces the block with a new one that has the filled bytes at its front.
    fn replace(&mut self, capacity: usize) {
        let len = self.len();
        let mut memory = vec![0; capacity].into_boxed_slice();
        memory[..len].copy_from_slice(self.filled());
        *self = ReceiveBuffer::with(memory, len);
    }

    /// Takes `n` bytes from the front. If they start the block and fill at least half of it, they keep its memory, and
    /// the bytes behind them move into a new block of at least `capacity` bytes. Otherwise they are copied.
    ///
    /// # Panics
    ///
    /// If fewer are filled.
    pub(crate) fn split_front(&mut self, n: usize, capacity: usize) -> Vec<u8> {
        let in_place = |block: &mut Box<Block>| block.start == 0 && n >= block.memory.len() / 2;
        let Some(mut block) = self.block.take_if(in_place) else {
            let bytes = self.filled()[..n].to_vec();
            self.consume(n);
            return bytes;
        };
        let mut bytes = std::mem::take(&mut block.memory).into_vec();
        let behind = &bytes[n..block.end];
        if !behind.is_empty() {
            *self = ReceiveBuffer::new(behind.len().max(capacity));
            self.extend_from_slice(behind);
        }
        bytes.truncate(n);
        bytes
    }

    /// Adds a copy of `data` behind the filled part.
    pub(crate) fn extend_from_slice(&mut self, data: &[u8]) {
        self.reserve(data.len());
        self.room()[..data.len()].copy_from_slice(data);
        self.advance(data.len());
    }
}

impl fmt::Debug for ReceiveBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiveBuffer").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserving_moves_only_when_it_frees_as_much_as_it_moves() {
        let mut buffer = ReceiveBuffer::new(8);
        buffer.extend_from_slice(b"abcdefgh");
        buffer.consume(5);
        buffer.reserve(4);
        assert_eq!((buffer.filled(), buffer.capacity()), (&b"fgh"[..], 8));
        buffer.extend_from_slice(b"ijklm");
        buffer.consume(1);
        buffer.reserve(1);
        assert_eq!((buffer.filled(), buffer.capacity()), (&b"ghijklm"[..], 16));
    }

    #[test]
    fn much_is_taken_with_its_memory_and_little_as_a_copy() {
        let mut buffer = ReceiveBuffer::new(8);
        buffer.extend_from_slice(b"abcdefgh");
        let place = buffer.filled().as_ptr();
        let taken = buffer.split_front(5, 16);
        assert_eq!((&taken[..], taken.as_ptr()), (&b"abcde"[..], place));
        assert_eq!((buffer.filled(), buffer.capacity()), (&b"fgh"[..], 16));
        let place = buffer.filled().as_ptr();
        assert_eq!(buffer.split_front(2, 16), b"fg");
        assert_eq!((buffer.filled(), buffer.filled().as_ptr()), (&b"h"[..], place.wrapping_add(2)));
        assert_eq!(buffer.split_front(1, 16), b"h");
        assert!(buffer.is_empty());
    }

    #[test]
    fn growing_keeps_what_is_filled_and_does_nothing_where_there_is_room() {
        let mut buffer = ReceiveBuffer::new(8);
        buffer.extend_from_slice(b"abcdef");
        buffer.consume(4);
        buffer.grow(4);
        assert_eq!((buffer.filled(), buffer.capacity()), (&b"ef"[..], 8));
        buffer.grow(5);
        assert_eq!((buffer.filled(), buffer.capacity()), (&b"ef"[..], 5));
        assert_eq!(buffer.room().len(), 3);
    }

    #[test]
    #[should_panic(expected = "more bytes received than there was room for")]
    fn advancing_past_the_end_is_refused() {
        ReceiveBuffer::new(2).advance(3);
    }
}
