//! What the two sides of a conversation do. Both derive it from a few numbers, which the visitor sends first.

use crate::pattern::{Pattern, mix};

/// How a conversation continues after its greeting, and how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Both send at once, and each ends its side when it has sent everything.
    Together,
    /// The visitor sends and ends its side; the host answers after it has read to the end.
    VisitorFirst,
    /// The host sends, and the visitor answers after it has read all of it.
    HostFirst,
    /// The visitor writes, waits until half of that is sent, and aborts.
    VisitorAborts,
    /// The host does the same.
    HostAborts,
}

/// The side of a conversation: the visitor connects, and the host accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Visitor,
    Host,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) number: u64,
    pub(crate) most: u64,
    pub(crate) seed: u64,
}

/// The length of a greeting.
pub(crate) const GREETING: usize = 24;

impl Plan {
    pub(crate) fn greeting(&self) -> [u8; GREETING] {
        let mut greeting = [0; GREETING];
        for (place, number) in greeting.chunks_exact_mut(8).zip([self.number, self.most, self.seed]) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        greeting
    }

    pub(crate) fn of_greeting(greeting: &[u8]) -> Plan {
        let number = |at: usize| u64::from_le_bytes(greeting[8 * at..][..8].try_into().expect("eight bytes"));
        Plan { number: number(0), most: number(1), seed: number(2) }
    }

    fn draw(&self, what: u64) -> u64 {
        mix(mix(self.seed ^ what) ^ self.number)
    }

    pub(crate) fn course(&self) -> Course {
        match self.draw(1) % 16 {
            0..=8 => Course::Together,
            9..=10 => Course::VisitorFirst,
            11..=12 => Course::HostFirst,
            13..=14 => Course::VisitorAborts,
            _ => Course::HostAborts,
        }
    }

    /// How many bytes a side has to send.
    pub(crate) fn length(&self, from: Role) -> u64 {
        let drawn = self.draw(2 + from as u64);
        // One in eight sends nothing, or almost nothing.
        if drawn % 8 == 0 { drawn / 8 % 3 } else { drawn / 8 % (self.most + 1) }
    }

    pub(crate) fn pattern(&self, from: Role) -> Pattern {
        Pattern::new(self.draw(4 + from as u64))
    }

    /// The size of the pieces in which a side writes and reads.
    pub(crate) fn piece(&self, from: Role) -> usize {
        let pieces = [1, 17, 1000, 4096, 16_384, 70_000];
        // Megabytes in single bytes would take minutes.
        let pieces = if self.most < 1_000_000 { &pieces[..] } else { &pieces[3..] };
        pieces[(self.draw(6 + from as u64) % pieces.len() as u64) as usize]
    }
}
