//! Memory that connections share: an idle connection owns no buffer.

use std::cell::{Cell, RefCell};

use super::Backlog;
use crate::constants::{
    LARGE_BUFFER, LARGE_BUFFERS_KEPT, RECEIVE_SIZE, SMALL_BUFFER, SMALL_BUFFERS_KEPT, SPARE_SEND_LIMIT,
};
use crate::interface::ReceiveBuffer;

/// Buffers that are not in use.
#[derive(Default)]
pub(crate) struct Buffers {
    /// The buffer that plain protocols receive into. One is enough, since they keep nothing of it.
    lent: Cell<Option<Box<[u8]>>>,
    /// For streams, in two sizes. The last buffer given back is taken first, since it is most likely still in the
    /// cache.
    small: RefCell<Vec<ReceiveBuffer>>,
    large: RefCell<Vec<ReceiveBuffer>>,
    /// A buffer that gathers the writes of a step. One is enough: usually it is sent and given back before the next
    /// one is needed.
    send: Cell<Option<Box<Backlog>>>,
}

impl Buffers {
    /// Lends the plain protocols' buffer until the guard is dropped. A second borrower, which can only come from
    /// inside the first one's callback, gets a buffer of its own.
    #[inline]
    pub(crate) fn lend(&self) -> Loan<'_> {
        let memory = self.lent.take().unwrap_or_else(|| vec![0; RECEIVE_SIZE].into_boxed_slice());
        Loan { buffers: self, memory }
    }

    /// An empty buffer for a stream; a large one if the last receive filled a small one.
    #[inline]
    pub(crate) fn take(&self, large: bool) -> ReceiveBuffer {
        if large {
            return take(&self.large, LARGE_BUFFER);
        }
        take(&self.small, SMALL_BUFFER)
    }

    /// Takes back an empty buffer.
    #[inline]
    pub(crate) fn give(&self, buffer: ReceiveBuffer) {
        debug_assert!(buffer.is_empty());
        if buffer.capacity() == SMALL_BUFFER {
            put(&self.small, SMALL_BUFFERS_KEPT, buffer);
        } else {
            self.give_odd(buffer);
        }
    }

    /// Takes back a buffer that is not small. One that has grown is not kept.
    #[cold]
    fn give_odd(&self, buffer: ReceiveBuffer) {
        if buffer.capacity() == LARGE_BUFFER {
            put(&self.large, LARGE_BUFFERS_KEPT, buffer);
        }
    }

    /// Memory to gather written bytes.
    #[inline]
    pub(crate) fn take_backlog(&self) -> Box<Backlog> {
        self.send.take().unwrap_or_default()
    }

    /// Takes the memory back when its bytes have been sent.
    #[inline(always)]
    pub(crate) fn give_backlog(&self, backlog: Box<Backlog>) {
        if backlog.capacity() <= SPARE_SEND_LIMIT {
            self.send.set(Some(backlog));
        }
    }

    pub(crate) fn clear(&self) {
        self.lent.set(None);
        self.small.take();
        self.large.take();
        self.send.take();
    }
}

#[inline]
fn take(shelf: &RefCell<Vec<ReceiveBuffer>>, size: usize) -> ReceiveBuffer {
    let kept = shelf.borrow_mut().pop();
    kept.unwrap_or_else(|| ReceiveBuffer::new(size))
}

#[inline]
fn put(shelf: &RefCell<Vec<ReceiveBuffer>>, most: usize, buffer: ReceiveBuffer) {
    let mut shelf = shelf.borrow_mut();
    if shelf.len() < most {
        shelf.push(buffer);
    }
}

/// The plain protocols' buffer, until dropped.
pub(crate) struct Loan<'a> {
    buffers: &'a Buffers,
    pub(crate) memory: Box<[u8]>,
}

impl Drop for Loan<'_> {
    #[inline]
    fn drop(&mut self) {
        self.buffers.lent.set(Some(std::mem::take(&mut self.memory)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_buffers_of_each_size_are_kept_as_may_be_and_the_last_comes_back_first() {
        let buffers = Buffers::default();
        for (is_large, kept) in [(false, SMALL_BUFFERS_KEPT), (true, LARGE_BUFFERS_KEPT)] {
            let taken: Vec<_> = (0..=kept).map(|_| buffers.take(is_large)).collect();
            taken.into_iter().for_each(|buffer| buffers.give(buffer));
            assert_eq!(buffers.large.borrow().len() + buffers.small.borrow().len(), kept);
            let address = |buffer: &mut ReceiveBuffer| buffer.room().as_ptr();
            let mut buffer = buffers.take(is_large);
            let last = address(&mut buffer);
            buffers.give(buffer);
            assert_eq!(address(&mut buffers.take(is_large)), last);
            buffers.clear();
        }
        buffers.give(ReceiveBuffer::new(LARGE_BUFFER + 1));
        assert!(buffers.large.borrow().is_empty(), "one that has grown is not kept");
    }

    #[test]
    fn memory_to_send_from_is_kept_unless_it_has_grown_too_much() {
        let buffers = Buffers::default();
        for (length, is_kept) in [(SPARE_SEND_LIMIT, true), (SPARE_SEND_LIMIT + 1, false)] {
            let mut backlog = Box::<Backlog>::default();
            backlog.push(&vec![0; length]);
            backlog.advance(length);
            buffers.give_backlog(backlog);
            assert_eq!(buffers.take_backlog().capacity() > 0, is_kept, "{length}");
        }
    }
}
