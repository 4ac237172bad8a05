//! Counts of what happened, so that a test can show that each fault occurred.

use crate::dribbling::Faults;

/// What was done to one connection, and what came of it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Happened {
    pub(super) operations: usize,
    pub(super) bytes_read: usize,
    pub(super) bytes_written: usize,
    pub(super) reads_waited: usize,
    pub(super) writes_waited: usize,
    pub(super) passed_on: usize,
    pub(super) writes_refused: usize,
    pub(super) flushes_waited: usize,
    pub(super) waits_dropped: usize,
    pub(super) half_closes: usize,
    pub(super) peer_ended: usize,
    pub(super) peer_reset: usize,
    pub(super) aborted: usize,
    pub(super) sends_failed: usize,
}

/// Sums over many connections, each with its name.
#[derive(Debug, Default)]
pub(super) struct Sums(Vec<(&'static str, usize)>);

impl Sums {
    pub(super) fn add(&mut self, happened: Happened, faults: Faults) {
        let counts = [
            ("operations", happened.operations),
            ("bytes read", happened.bytes_read),
            ("bytes written", happened.bytes_written),
            ("reads waited", happened.reads_waited),
            ("writes waited", happened.writes_waited),
            ("writes passed on in part", happened.passed_on),
            ("writes refused", happened.writes_refused),
            ("flushes waited", happened.flushes_waited),
            ("waits dropped", happened.waits_dropped),
            ("half closes", happened.half_closes),
            ("peer ended", happened.peer_ended),
            ("peer reset", happened.peer_reset),
            ("aborted", happened.aborted),
            ("sends failed", happened.sends_failed),
            ("one byte reads", faults.one_byte_reads),
            ("one byte writes", faults.one_byte_writes),
            ("short writes", faults.short_writes),
            ("pauses", faults.pauses),
            ("stalls", faults.stalls),
            ("events for nothing", faults.events_for_nothing),
        ];
        if self.0.is_empty() {
            self.0 = counts.map(|(name, _)| (name, 0)).into();
        }
        self.0.iter_mut().zip(counts).for_each(|(sum, (_, count))| sum.1 += count);
    }

    /// The names of what never happened.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        self.0.iter().filter(|(_, count)| *count == 0).map(|(name, _)| *name).collect()
    }
}
