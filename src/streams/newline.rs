//! Where a line ends.
//!
//! Most lines are short, and memchr first detects the features of the processor, which costs as much as searching a
//! short line. So the first bytes are searched here, in pieces that any processor can compare at once, and memchr
//! searches the rest.

use std::array;

use memchr::memchr;

/// How many bytes are compared at once.
const PIECE: usize = 16;

/// How many bytes are searched here, before memchr searches the rest.
const NEAR: usize = 8 * PIECE;

/// Finds the first newline.
#[inline(always)]
pub(super) fn newline(data: &[u8]) -> Option<usize> {
    let mut searched = 0;
    for piece in data[..data.len().min(NEAR)].chunks_exact(PIECE) {
        // All bytes are compared, even those after a newline: without an early exit, the compiler turns the loop into a
        // single vector comparison.
        if piece.iter().fold(false, |any, byte| any | (*byte == b'\n')) {
            return Some(searched + first(piece));
        }
        searched += PIECE;
    }
    memchr(b'\n', &data[searched..]).map(|place| searched + place)
}

/// The first newline of a piece that has one.
#[inline(always)]
fn first(piece: &[u8]) -> usize {
    let are_newlines: [u8; PIECE] = array::from_fn(|place| if piece[place] == b'\n' { u8::MAX } else { 0 });
    u128::from_le_bytes(are_newlines).trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_newline_is_found_at_any_place_of_any_length() {
        for other in [b'\n' + 1, b'\n' - 1, b'\n' | 0x80, 0, u8::MAX] {
            for len in 0..NEAR + 2 * PIECE {
                let mut data = vec![other; len];
                assert_eq!(newline(&data), None, "{other}, {len}");
                for place in (0..len).rev() {
                    data[place] = b'\n';
                    assert_eq!(newline(&data), Some(place), "{other}, {len}");
                }
            }
        }
    }
}
