//! Bytes that depend on their positions, so that a lost, doubled, moved or changed byte is noticed at once.

/// An endless sequence of bytes, and a position in it.
pub(crate) struct Pattern {
    seed: u64,
    place: u64,
}

impl Pattern {
    pub(crate) fn new(seed: u64) -> Pattern {
        Pattern { seed: mix(seed), place: 0 }
    }

    /// How many bytes were made or checked.
    pub(crate) fn place(&self) -> u64 {
        self.place
    }

    /// The next bytes.
    pub(crate) fn fill(&mut self, into: &mut [u8]) {
        let mut rest = into;
        while !rest.is_empty() {
            let word = mix(self.seed.wrapping_add(self.place / 8)).to_le_bytes();
            let word = &word[self.place as usize % 8..];
            let n = word.len().min(rest.len());
            rest[..n].copy_from_slice(&word[..n]);
            rest = &mut rest[n..];
            self.place += n as u64;
        }
    }

    /// Compares received bytes with the expected ones. If one is wrong, returns its position.
    pub(crate) fn check(&mut self, came: &[u8]) -> Result<(), u64> {
        let mut expected = [0; 4096];
        for came in came.chunks(expected.len()) {
            let before = self.place;
            let expected = &mut expected[..came.len()];
            self.fill(expected);
            if came != expected {
                let wrong = came.iter().zip(expected).take_while(|(came, expected)| came == expected).count();
                return Err(before + wrong as u64);
            }
        }
        Ok(())
    }
}

/// The finalizer of splitmix64: similar numbers become unrelated ones.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
