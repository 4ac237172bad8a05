//! How many bytes of a conversation have passed in one direction of a connection, in plain or in TLS records.

/// Counts the bytes of a conversation among those that pass.
pub(super) enum Tap {
    /// After this many other bytes, all are of the conversation.
    Plain { others: usize },
    /// The conversation is the content of TLS records.
    Encrypted(Records),
}

impl Tap {
    /// Bytes have passed. Returns how many bytes of the conversation are complete with them.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> usize {
        match self {
            Tap::Plain { others } => {
                let skipped = bytes.len().min(*others);
                *others -= skipped;
                bytes.len() - skipped
            }
            Tap::Encrypted(records) => records.content_of(bytes),
        }
    }
}

const HEADER: usize = 5;

/// The types of records that hold plain messages of the handshake, and encrypted content of any kind.
const HANDSHAKE: u8 = 22;
const ENCRYPTED: u8 = 23;

/// What an encrypted record of TLS 1.3 has besides its content: its true type, and the tag of the cipher.
const OVERHEAD: usize = 17;

/// The beginning of the current record.
#[derive(Default)]
pub(super) struct Records {
    /// The part of the header that has passed. Its bytes are the record's type, the version twice, and the length twice.
    header: Vec<u8>,
    /// How many bytes are missing after the header.
    left: usize,
    /// The first record has begun. Bytes before it are not encrypted.
    has_begun: bool,
}

impl Records {
    /// The length of the encrypted content of all records that end with these bytes.
    fn content_of(&mut self, mut bytes: &[u8]) -> usize {
        let mut content = 0;
        while let Some(&first) = bytes.first() {
            self.has_begun |= first == HANDSHAKE;
            if !self.has_begun {
                bytes = &bytes[1..];
            } else if self.header.len() < HEADER {
                self.header.push(first);
                bytes = &bytes[1..];
                if let &[_, _, _, high, low] = &self.header[..] {
                    self.left = usize::from(u16::from_be_bytes([high, low]));
                }
            } else {
                let taken = self.left.min(bytes.len());
                bytes = &bytes[taken..];
                self.left -= taken;
            }
            if self.header.len() == HEADER && self.left == 0 {
                let length = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
                if self.header[0] == ENCRYPTED {
                    content += length - OVERHEAD;
                }
                self.header.clear();
            }
        }
        content
    }
}

#[test]
fn only_encrypted_records_count_and_only_when_they_are_complete() {
    let mut tap = Tap::Encrypted(Records::default());
    let record = |kind: u8, length: u8| [&[kind, 3, 3, 0, length][..], &vec![0; length.into()]].concat();
    assert_eq!(tap.pass(b"!"), 0);
    assert_eq!(tap.pass(&record(HANDSHAKE, 40)), 0);
    assert_eq!(tap.pass(&record(ENCRYPTED, 27)), 10);
    let two = [record(ENCRYPTED, 18), record(ENCRYPTED, 19)].concat();
    let counted: Vec<usize> = two.iter().map(|&byte| tap.pass(&[byte])).collect();
    assert_eq!(counted.iter().sum::<usize>(), 1 + 2);
    assert_eq!((counted[22], counted[46]), (1, 2));
}
