//! Bytes that tell their places, so that one that is lost, doubled or in the wrong order is seen.
//!
//! They are copied and compared in one piece, as a fuzzer counts each round of a loop of ours.

use std::borrow::Cow;
use std::sync::LazyLock;

/// After so many bytes the pattern begins anew.
const PERIOD: usize = 1_000_003;

/// So many bytes stand in one piece from any place on: as many as a target mostly wants at once.
const PIECE: usize = 128 * 1024;

static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 1_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let mut bytes: Vec<u8> = (0..PERIOD).map(step).collect();
    bytes.extend_from_within(..PIECE);
    bytes
});

/// `n` bytes from the place `from` on.
pub(crate) fn pattern(from: usize, n: usize) -> Cow<'static, [u8]> {
    if n <= PIECE {
        return BYTES[from % PERIOD..][..n].into();
    }
    let mut bytes = Vec::with_capacity(n);
    while bytes.len() < n {
        let rest = &BYTES[(from + bytes.len()) % PERIOD..PERIOD];
        bytes.extend_from_slice(&rest[..rest.len().min(n - bytes.len())]);
    }
    bytes.into()
}

/// Asserts that these are the bytes from the place `from` on.
pub(crate) fn assert_pattern(mut bytes: &[u8], mut from: usize, what: &str) {
    while !bytes.is_empty() {
        let expected = &BYTES[from % PERIOD..PERIOD];
        let n = expected.len().min(bytes.len());
        let (part, rest) = bytes.split_at(n);
        assert!(
            part == &expected[..n],
            "at {from} of what was {what}: {:?}, not {:?}",
            &part[..n.min(20)],
            &expected[..n.min(20)]
        );
        (bytes, from) = (rest, from + n);
    }
}
