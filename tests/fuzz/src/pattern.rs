//! Bytes that depend on their positions, so that a lost, doubled or misplaced byte shows.
//!
//! They are copied and compared in large pieces, since the fuzzer instruments every iteration of our own loops.

use std::borrow::Cow;
use std::sync::LazyLock;

/// The length after which the pattern repeats.
const PERIOD: usize = 1_000_003;

/// From any position, this many bytes are available in one piece. A target rarely wants more at once.
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

/// `n` bytes of the pattern, starting at position `from`.
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

/// Asserts that these bytes are the pattern at position `from`.
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
