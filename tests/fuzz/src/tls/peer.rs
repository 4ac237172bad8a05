//! The peer, which is rustls itself, and the attacker on the way.

use std::io::Read;
use std::sync::Arc;

use waterwheel::rustls::{ClientConnection, Connection, ServerConnection};

use super::input::{Input, Tampering};
use super::settings::SETTINGS;
use crate::pattern::assert_pattern;
use crate::world::{IncomingEnd, Wire};

/// The peer, and the bytes on their way from it.
pub(super) struct Peer {
    pub(super) engine: Connection,
    pub(super) on_the_way: Vec<u8>,
    pub(super) wrote: usize,
    pub(super) read: usize,
    pub(super) has_notified: bool,
    pub(super) has_ended: bool,
    pub(super) has_failed: bool,
    pub(super) was_tampered_with: bool,
}

impl Peer {
    pub(super) fn new(input: &Input) -> Peer {
        let (server, client) = &SETTINGS.peers[usize::from(!input.is_tls12)];
        let mut engine: Connection = if input.we_serve {
            let name = "localhost".try_into().expect("a name");
            ClientConnection::new(Arc::clone(client), name).expect("good settings").into()
        } else {
            ServerConnection::new(Arc::clone(server)).expect("good settings").into()
        };
        engine.set_buffer_limit(None);
        Peer {
            engine,
            on_the_way: Vec::new(),
            wrote: 0,
            read: 0,
            has_notified: false,
            has_ended: false,
            has_failed: false,
            was_tampered_with: false,
        }
    }

    pub(super) fn may_send(&self) -> bool {
        !self.has_notified && !self.has_ended && !self.has_failed
    }

    /// Whether our side must not see any error.
    pub(super) fn is_blameless(&self) -> bool {
        !self.was_tampered_with && (self.has_notified || !self.has_ended)
    }

    pub(super) fn pump(&mut self) {
        while self.engine.wants_write() {
            self.engine.write_tls(&mut self.on_the_way).expect("memory takes all");
        }
    }

    /// Reads the bytes that we have sent.
    pub(super) fn hear(&mut self, wire: &Wire, written: usize) {
        wire.hear(|sent| self.hear_bytes(sent, written));
        self.pump();
    }

    fn hear_bytes(&mut self, mut sent: &[u8], written: usize) {
        while !sent.is_empty() && !self.has_failed {
            if self.engine.read_tls(&mut sent).expect("memory gives all") == 0 {
                // The peer has received the end, and ignores what follows, such as an alert.
                break;
            }
            if let Err(error) = self.engine.process_new_packets() {
                assert!(self.was_tampered_with, "what we sent is no TLS: {error}");
                self.has_failed = true;
            }
            let mut plain = Vec::new();
            // An end without close_notify does not matter here.
            let _ = self.engine.reader().read_to_end(&mut plain);
            assert_pattern(&plain, self.read, "sent");
            self.read += plain.len();
            assert!(self.read <= written);
        }
    }

    /// Lets `n` bytes arrive.
    pub(super) fn arrives(&mut self, wire: &Wire, n: usize) {
        if !self.has_ended {
            let n = n.min(self.on_the_way.len());
            wire.comes(&self.on_the_way[..n]);
            self.on_the_way.drain(..n);
        }
    }

    pub(super) fn ends(&mut self, wire: &Wire, end: IncomingEnd) {
        if !self.has_ended {
            // Bytes that did not arrive before the end are lost.
            self.was_tampered_with |= end == IncomingEnd::Reset || !self.on_the_way.is_empty();
            self.has_ended = true;
            wire.ends(end);
        }
    }

    /// Where each record begins, and where the last one ends.
    fn records(&self) -> Vec<usize> {
        let mut places = vec![0];
        let mut at = 0;
        while let Some(&[_, _, _, high, low]) = self.on_the_way.get(at..at + 5) {
            at += 5 + usize::from(u16::from_be_bytes([high, low]));
            places.push(at);
            if at >= self.on_the_way.len() {
                break;
            }
        }
        places.retain(|&place| place <= self.on_the_way.len());
        places
    }

    pub(super) fn tamper(&mut self, tampering: &Tampering) {
        let len = self.on_the_way.len();
        let records = self.records();
        let record = |number: u8| match records.len() - 1 {
            0 => None,
            count => Some(records[usize::from(number) % count]..records[usize::from(number) % count + 1]),
        };
        let before = self.on_the_way.clone();
        match tampering {
            Tampering::Flip { at, bits } if len > 0 => self.on_the_way[usize::from(*at) % len] ^= bits,
            Tampering::Lose { at, n } if len > 0 => {
                let at = usize::from(*at) % len;
                self.on_the_way.drain(at..(at + usize::from(*n)).min(len));
            }
            Tampering::Insert { at, bytes } => {
                let at = usize::from(*at) % (len + 1);
                self.on_the_way.splice(at..at, bytes.iter().copied());
            }
            Tampering::LoseRecord(number) => drop(record(*number).map(|record| self.on_the_way.drain(record))),
            Tampering::RepeatRecord(number) => {
                if let Some(record) = record(*number) {
                    let repeated = self.on_the_way[record.clone()].to_vec();
                    self.on_the_way.splice(record.end..record.end, repeated);
                }
            }
            Tampering::SwapRecords(number) => {
                if let (Some(first), Some(second)) = (record(*number), record(number.wrapping_add(1))) {
                    if first.end == second.start {
                        self.on_the_way[first.start..second.end].rotate_left(first.len());
                    }
                }
            }
            Tampering::ForgeRecord { kind, body } => {
                let len = u16::try_from(body.len()).unwrap_or(u16::MAX);
                let head = [*kind as u8, 3, 3].into_iter().chain(len.to_be_bytes());
                self.on_the_way.splice(0..0, head.chain(body.iter().copied().take(len.into())));
            }
            _ => {}
        }
        self.was_tampered_with |= self.on_the_way != before;
    }
}
