//! A counting allocator. Each thread has its own counts, so tests may run in parallel.

#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with counts of its allocations. A program that wants the counts makes this its global
/// allocator.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// How often this thread has allocated or reallocated.
pub fn allocations() -> usize {
    ALLOCATIONS.get()
}

/// How many bytes this thread has allocated and not freed.
pub fn live_bytes() -> usize {
    LIVE_BYTES.get()
}

fn count(allocations: usize, more: usize, less: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + allocations);
    // One thread may free the allocations of another, so this wraps rather than fails.
    LIVE_BYTES.set(LIVE_BYTES.get().wrapping_add(more).wrapping_sub(less));
}

// SAFETY: every method passes its arguments on to the system's allocator, whose contract is the same, and returns what
// that returns. Counting uses only thread-locals that need neither allocation nor destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, 0, layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}
