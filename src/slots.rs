//! A table whose entries keep their keys while others come and go, and which frees the memory of a burst.
//!
//! A plain vector cannot shrink below its last entry: one long-lived entry behind a million short-lived ones keeps
//! the memory of all. So only the first entries are in a vector, which most tables never outgrow. The others are in
//! pieces of a few slots each. An empty piece is freed, and only the pointer to it stays.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::{Index, IndexMut};

/// How many slots a piece has, which is the number of bits in its mask.
const PIECE: u32 = u64::BITS;

/// A map or an empty table may keep capacity for this many entries.
const KEPT: usize = 1024;

/// The list of pieces may keep capacity for this many when the last entry is removed.
const KEPT_PIECES: usize = KEPT / PIECE as usize;

/// Entries by key. A key is reused after its entry is removed. The first `NEAR` entries are in one vector, which does
/// not shrink while the table has an entry.
#[derive(Debug)]
pub(crate) struct Slots<T, const NEAR: usize = KEPT> {
    near: Vec<Option<T>>,
    /// The free keys of `near`.
    free: Vec<u32>,
    /// The entries with keys from `NEAR` on.
    far: Pieces<T>,
}

impl<T, const NEAR: usize> Slots<T, NEAR> {
    pub(crate) fn new() -> Self {
        Slots { near: Vec::new(), free: Vec::new(), far: Pieces::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.near.len() - self.free.len() + self.far.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub(crate) fn insert(&mut self, entry: T) -> u32 {
        self.insert_with(|_| entry)
    }

    /// Inserts the entry that `make` returns for its key. `make` must not call user code.
    #[inline]
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(u32) -> T) -> u32 {
        if let Some(key) = self.free.pop() {
            self.near[key as usize] = Some(make(key));
            return key;
        }
        let key = self.near.len() as u32;
        if self.near.len() < NEAR {
            self.near.push(Some(make(key)));
            return key;
        }
        // `near` is full, so the keys of the pieces begin at its length.
        key + self.far.insert_with(|far| make(key + far))
    }

    #[inline]
    pub(crate) fn get(&self, key: u32) -> Option<&T> {
        match self.near.get(key as usize) {
            Some(slot) => slot.as_ref(),
            None => self.far.get(key.checked_sub(NEAR as u32)?),
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        match self.near.get_mut(key as usize) {
            Some(slot) => slot.as_mut(),
            None => self.far.get_mut(key.checked_sub(NEAR as u32)?),
        }
    }

    #[inline(always)]
    pub(crate) fn remove(&mut self, key: u32) -> Option<T> {
        let entry = match self.near.get_mut(key as usize) {
            Some(slot) => {
                let entry = slot.take()?;
                self.free.push(key);
                entry
            }
            None => self.far.remove(key.checked_sub(NEAR as u32)?)?,
        };
        if NEAR > KEPT && self.near.len() > KEPT && self.is_empty() {
            *self = Slots::new();
        }
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let near = (0..).zip(&self.near);
        let far = (NEAR as u32..).step_by(PIECE as usize).zip(&self.far.pieces);
        let far = far.flat_map(|(first, piece)| (first..).zip(piece.iter().flat_map(|piece| &piece.slots)));
        near.chain(far).filter_map(|(key, slot)| Some((key, slot.as_ref()?)))
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.iter().map(|(_, entry)| entry)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        let far = self.far.pieces.into_iter().flatten().flat_map(|piece| piece.slots);
        self.near.into_iter().chain(far).flatten()
    }
}

impl<T, const NEAR: usize> Default for Slots<T, NEAR> {
    fn default() -> Self {
        Slots::new()
    }
}

impl<T, const NEAR: usize> Index<u32> for Slots<T, NEAR> {
    type Output = T;

    #[inline]
    fn index(&self, key: u32) -> &T {
        self.get(key).expect("the key of an entry")
    }
}

impl<T, const NEAR: usize> IndexMut<u32> for Slots<T, NEAR> {
    #[inline]
    fn index_mut(&mut self, key: u32) -> &mut T {
        self.get_mut(key).expect("the key of an entry")
    }
}

/// Slots in pieces that are allocated when they are needed and freed when they are empty.
#[derive(Debug)]
struct Pieces<T> {
    /// Invariant: an empty piece has memory only if it is the next to be filled, which is the last of `open`.
    pieces: Vec<Option<Box<Piece<T>>>>,
    /// The numbers of all pieces that are not full, each once, including the freed ones. The last is filled first, so
    /// that the others can become empty.
    open: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Piece<T> {
    slots: [Option<T>; PIECE as usize],
    /// Has a set bit for each free slot.
    free: u64,
}

impl<T> Piece<T> {
    fn new() -> Box<Self> {
        Box::new(Piece { slots: [const { None }; PIECE as usize], free: u64::MAX })
    }

    fn is_empty(&self) -> bool {
        self.free == u64::MAX
    }
}

/// The number of a piece, and the number of a slot in it.
fn split(key: u32) -> (usize, usize) {
    ((key / PIECE) as usize, (key % PIECE) as usize)
}

impl<T> Pieces<T> {
    fn new() -> Self {
        Pieces { pieces: Vec::new(), open: Vec::new(), len: 0 }
    }

    #[inline(never)]
    fn insert_with(&mut self, make: impl FnOnce(u32) -> T) -> u32 {
        let number = self.open.last().copied().unwrap_or_else(|| self.add());
        let piece = self.pieces[number as usize].get_or_insert_with(Piece::new);
        let slot = piece.free.trailing_zeros();
        let key = number * PIECE + slot;
        piece.slots[slot as usize] = Some(make(key));
        piece.free &= !(1 << slot);
        if piece.free == 0 {
            self.open.pop();
        }
        self.len += 1;
        key
    }

    /// Adds a piece without memory.
    fn add(&mut self) -> u32 {
        let number = self.pieces.len() as u32;
        assert!(number < u32::MAX / PIECE / 2, "fewer than 2^31 entries");
        self.pieces.push(None);
        self.open.push(number);
        number
    }

    #[inline]
    fn get(&self, key: u32) -> Option<&T> {
        let (number, slot) = split(key);
        self.pieces.get(number)?.as_ref()?.slots[slot].as_ref()
    }

    #[inline]
    fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        let (number, slot) = split(key);
        self.pieces.get_mut(number)?.as_mut()?.slots[slot].as_mut()
    }

    #[inline]
    fn remove(&mut self, key: u32) -> Option<T> {
        let (number, slot) = split(key);
        let piece = self.pieces.get_mut(number)?.as_mut()?;
        let entry = piece.slots[slot].take()?;
        let was_full = piece.free == 0;
        piece.free |= 1 << slot;
        self.len -= 1;
        if was_full || piece.is_empty() {
            self.give_memory_back(number as u32, was_full);
        }
        Some(entry)
    }

    /// Called when a full piece gets a free slot, or when a piece becomes empty.
    #[cold]
    fn give_memory_back(&mut self, number: u32, was_full: bool) {
        if self.len == 0 && self.pieces.len() > KEPT_PIECES {
            *self = Pieces::new();
            return;
        }
        let next = self.open.last().copied();
        if was_full {
            self.open.push(number);
            next.into_iter().for_each(|next| self.free_if_empty(next));
        } else if next != Some(number) {
            self.free_if_empty(number);
        }
    }

    /// Frees a piece if it is empty. Not to be called for the piece that is filled next, which might otherwise be
    /// freed and allocated again and again.
    fn free_if_empty(&mut self, number: u32) {
        let place = &mut self.pieces[number as usize];
        if place.as_ref().is_some_and(|piece| piece.is_empty()) {
            *place = None;
        }
    }
}

/// Frees memory of a map that was once much fuller. To be called after an entry is removed.
pub(crate) fn shrink_map<K: Hash + Eq, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > KEPT && map.len() * 4 < map.capacity() {
        map.shrink_to(map.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many slots there is memory for, not counting those of `near`.
    fn far_room<T, const NEAR: usize>(slots: &Slots<T, NEAR>) -> usize {
        slots.far.pieces.iter().flatten().count() * PIECE as usize
    }

    #[test]
    fn one_entry_that_stays_does_not_hold_the_memory_of_a_burst() {
        for kept in [0, 1_023, 1_024, 500_000, 999_999] {
            let mut slots: Slots<u32> = Slots::new();
            let keys: Vec<u32> = (0..1_000_000).map(|number| slots.insert(number)).collect();
            assert!(far_room(&slots) >= 1_000_000 - KEPT);
            for &key in &keys {
                if key != kept {
                    assert_eq!(slots.remove(key), Some(key));
                }
            }
            assert_eq!((slots.get(kept), slots.len()), (Some(&kept), 1));
            assert!(far_room(&slots) <= 128, "room for {} beside {kept}", far_room(&slots));
            assert_eq!(slots.remove(kept), Some(kept));
            assert_eq!((far_room(&slots), slots.far.pieces.capacity(), slots.far.open.capacity()), (0, 0, 0));
            assert!(slots.near.capacity() <= KEPT && slots.free.capacity() <= KEPT);
        }
    }

    #[test]
    fn a_piece_at_the_brim_is_not_freed_and_made_again_by_turns() {
        let mut slots: Slots<u32, 0> = Slots::new();
        for full in [0, 64, 128] {
            while slots.len() < full {
                slots.insert(0);
            }
            for _ in 0..3 {
                let key = slots.insert(0);
                assert_eq!(far_room(&slots), full + 64);
                slots.remove(key);
                assert_eq!(far_room(&slots), full + 64);
            }
        }
        // Now the first piece is filled next, and no other may be empty.
        slots.remove(0);
        assert_eq!((slots.len(), far_room(&slots)), (127, 128));
    }

    /// The naive twin is a map. In addition, at most one piece may be empty.
    #[test]
    fn any_sequence_agrees_with_a_map() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let mut slots: Slots<u64, 32> = Slots::new();
        let mut twin: HashMap<u32, u64> = HashMap::new();
        let mut keys: Vec<u32> = Vec::new();
        for step in 0..60_000 {
            // It grows, then shrinks, and so on.
            let share = if step / 3_000 % 2 == 0 { 6 } else { 2 };
            if random(8) < share || keys.is_empty() {
                let key = slots.insert_with(|key| u64::from(key) + step);
                assert_eq!(twin.insert(key, u64::from(key) + step), None, "the key was free");
                keys.push(key);
            } else {
                let key = keys.swap_remove(random(keys.len() as u64) as usize);
                assert_eq!(slots.remove(key), twin.remove(&key));
                assert_eq!((slots.remove(key), slots.get(key)), (None, None));
            }
            assert_eq!(slots.len(), twin.len());
            if let Some(&key) = keys.last() {
                assert_eq!((slots.get(key), slots[key]), (twin.get(&key), twin[&key]));
            }
            let empty = slots.far.pieces.iter().flatten().filter(|piece| piece.is_empty()).count();
            assert!(empty <= 1, "{empty} pieces hold memory for nothing");
        }
        for step in 0..500 {
            twin.insert(slots.insert(step), step);
        }
        let left: HashMap<u32, u64> = slots.iter().map(|(key, &entry)| (key, entry)).collect();
        assert_eq!(left, twin);
        let mut entries: Vec<u64> = slots.into_values().collect();
        entries.sort_unstable();
        let mut expected: Vec<u64> = twin.into_values().collect();
        expected.sort_unstable();
        assert_eq!(entries, expected);
    }
}
