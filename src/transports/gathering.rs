//! The outgoing half of a transport: the writes of one step are gathered and go out when the step ends.
//!
//! Pure: it keeps the bytes, is told what happened, and says what the transport has to do. The transport sends,
//! enlists itself with the loop, and calls the protocol.

use std::cell::Cell;
use std::io::IoSlice;

use super::{Backlog, Buffers, FlowChange, FlowControl};
use crate::constants::{DEFAULT_HIGH_WATER, GATHER_LIMIT};

/// What the transport does after bytes were gathered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AfterWrite {
    /// Nothing: the bytes go out at the end of this step, or when there is room below.
    Nothing,
    /// Join the loop's list of transports that wrote in this step. This one counts as enlisted from now on.
    Enlist,
    /// Send in the middle of the step: there are too many bytes to wait for its end.
    SendNow,
    /// Tell the protocol.
    Tell(FlowChange),
}

/// The bytes on their way out; decides when they are sent, and when the writer has to pause.
pub(crate) struct Gathering<const HIGH: usize = DEFAULT_HIGH_WATER> {
    /// `None` most of the time: a transport that has nothing to send owns no memory for it. Invariant: a backlog that
    /// is here is not empty.
    backlog: Cell<Option<Box<Backlog>>>,
    flow: FlowControl<HIGH>,
    /// Whether the bytes are sent at the end of this step: by the loop, if the transport is in its list of those that
    /// wrote, or by the transport itself, if it called the protocol from the loop.
    enlisted: Cell<bool>,
}

impl<const HIGH: usize> Gathering<HIGH> {
    pub(crate) fn new() -> Self {
        Gathering { backlog: Cell::new(None), flow: FlowControl::new(), enlisted: Cell::new(false) }
    }

    pub(crate) fn flow(&self) -> &FlowControl<HIGH> {
        &self.flow
    }

    /// How many bytes are kept.
    pub(crate) fn len(&self) -> usize {
        let backlog = self.backlog.take();
        let len = backlog.as_ref().map_or(0, |backlog| backlog.len());
        self.backlog.set(backlog);
        len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps bytes, at least one. Returns how many are kept now.
    #[inline(always)]
    pub(crate) fn push(&self, data: &[u8], buffers: &Buffers) -> usize {
        let mut backlog = self.backlog.take().unwrap_or_else(|| buffers.take_backlog());
        let len = backlog.push(data);
        self.backlog.set(Some(backlog));
        len
    }

    /// Keeps the bytes of all pieces. Returns how many are kept now, or `None` if there are none.
    #[inline(always)]
    pub(crate) fn push_parts(&self, parts: &[IoSlice<'_>], buffers: &Buffers) -> Option<usize> {
        let mut backlog = match self.backlog.take() {
            Some(backlog) => backlog,
            None if parts.iter().all(|part| part.is_empty()) => return None,
            None => buffers.take_backlog(),
        };
        for part in parts.iter().filter(|part| !part.is_empty()) {
            backlog.push(part);
        }
        let len = backlog.len();
        self.backlog.set(Some(backlog));
        Some(len)
    }

    /// Bytes were gathered, and `size` bytes are ahead of the next one. Whether to pause is decided only after an
    /// attempt to send, unless there is no `room` below to attempt one.
    #[inline(always)]
    pub(crate) fn grew(&self, size: usize, room: bool) -> AfterWrite {
        if !room {
            return self.flow.changed(size).map_or(AfterWrite::Nothing, AfterWrite::Tell);
        }
        if size > GATHER_LIMIT.min(self.flow.high()) {
            AfterWrite::SendNow
        } else if self.enlisted.replace(true) {
            AfterWrite::Nothing
        } else {
            AfterWrite::Enlist
        }
    }

    /// The transport calls its protocol from the loop and sends when that call returns, so it need not join the loop's
    /// list. The caller ends the step by [`leave_step`](Gathering::leave_step).
    #[inline(always)]
    pub(crate) fn own_step(&self) {
        self.enlisted.set(true);
    }

    /// The step is over, and the transport is no longer in the loop's list.
    #[inline(always)]
    pub(crate) fn leave_step(&self) {
        self.enlisted.set(false);
    }

    /// Whether bytes are sent at the end of this step.
    #[inline]
    pub(crate) fn is_enlisted(&self) -> bool {
        self.enlisted.get()
    }

    /// Whether there are bytes to send at the end of this step.
    pub(crate) fn waits_for_step_end(&self) -> bool {
        self.is_enlisted() && !self.is_empty()
    }

    /// Takes out the kept bytes, to send from their front. The rest is [put back](Gathering::put_back).
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<Box<Backlog>> {
        self.backlog.take()
    }

    /// Puts back the unsent rest. Returns whether there is none; then the memory goes back to the loop.
    #[inline(always)]
    pub(crate) fn put_back(&self, backlog: Box<Backlog>, buffers: &Buffers) -> bool {
        let nothing_left = backlog.is_empty();
        if nothing_left {
            buffers.give_backlog(backlog);
        } else {
            self.backlog.set(Some(backlog));
        }
        nothing_left
    }

    /// Drops the kept bytes. Returns whether there were any.
    pub(crate) fn give_up(&self) -> bool {
        self.backlog.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const HIGH: usize = 100;

    #[derive(Debug, Clone)]
    enum Event {
        Write(usize),
        WriteParts(Vec<usize>),
        /// The transport calls its protocol from the loop.
        OwnStep,
        StepEnds,
        /// The kernel takes this many bytes.
        Takes(usize),
        Limits(Option<usize>, Option<usize>),
        /// A caller waits for the last byte.
        UntilSent,
        GiveUp,
    }

    fn event() -> impl Strategy<Value = Event> {
        let mark = || proptest::option::of(0_usize..300);
        prop_oneof![
            4 => (1_usize..200).prop_map(Event::Write),
            2 => vec(0_usize..100, 0..4).prop_map(Event::WriteParts),
            1 => Just(Event::OwnStep),
            2 => Just(Event::StepEnds),
            3 => (0_usize..200).prop_map(Event::Takes),
            1 => (mark(), mark()).prop_map(|(high, low)| match (high, low) {
                (Some(high), Some(low)) => Event::Limits(Some(high.max(low)), Some(high.min(low))),
                marks => Event::Limits(marks.0, marks.1),
            }),
            1 => Just(Event::UntilSent),
            1 => Just(Event::GiveUp),
        ]
    }

    /// The naive twin: the bytes in one vector, and asyncio's rules written out.
    struct Twin {
        bytes: Vec<u8>,
        low: usize,
        high: usize,
        paused: bool,
        until_sent: bool,
        enlisted: bool,
    }

    impl Twin {
        fn sizes_changed(&mut self) -> Option<FlowChange> {
            if !self.paused && self.bytes.len() > self.high {
                self.paused = true;
                Some(FlowChange::Pause)
            } else if self.paused && self.bytes.len() <= if self.until_sent { 0 } else { self.low } {
                self.paused = false;
                self.until_sent = false;
                Some(FlowChange::Resume)
            } else {
                None
            }
        }

        fn after_write(&mut self, room: bool) -> AfterWrite {
            if !room {
                self.sizes_changed().map_or(AfterWrite::Nothing, AfterWrite::Tell)
            } else if self.bytes.len() > self.high || self.bytes.len() > GATHER_LIMIT {
                AfterWrite::SendNow
            } else if self.enlisted {
                AfterWrite::Nothing
            } else {
                self.enlisted = true;
                AfterWrite::Enlist
            }
        }
    }

    proptest! {
        #[test]
        fn it_answers_as_a_naive_twin_does(events in vec((event(), any::<bool>()), 1..80)) {
            let buffers = Buffers::default();
            let gathering = Gathering::<HIGH>::new();
            let mut twin = Twin { bytes: Vec::new(), low: HIGH / 4, high: HIGH, paused: false, until_sent: false, enlisted: false };
            let mut next = 0_u8;
            for (event, room) in events {
                match event {
                    Event::Write(n) => {
                        let data: Vec<u8> = (0..n).map(|_| { next = next.wrapping_add(1); next }).collect();
                        twin.bytes.extend(&data);
                        let size = gathering.push(&data, &buffers);
                        prop_assert_eq!(size, twin.bytes.len());
                        prop_assert_eq!(gathering.grew(size, room), twin.after_write(room));
                    }
                    Event::WriteParts(lengths) => {
                        let pieces: Vec<Vec<u8>> = lengths.iter().map(|n| vec![*n as u8; *n]).collect();
                        twin.bytes.extend(pieces.iter().flatten());
                        let parts: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                        let size = gathering.push_parts(&parts, &buffers);
                        prop_assert_eq!(size, Some(twin.bytes.len()).filter(|len| *len > 0));
                        if let Some(size) = size {
                            prop_assert_eq!(gathering.grew(size, room), twin.after_write(room));
                        }
                    }
                    Event::OwnStep => {
                        gathering.own_step();
                        twin.enlisted = true;
                    }
                    Event::StepEnds => {
                        gathering.leave_step();
                        twin.enlisted = false;
                    }
                    Event::Takes(n) => {
                        let n = n.min(twin.bytes.len());
                        if let Some(mut backlog) = gathering.take() {
                            prop_assert_eq!(backlog.front(), &twin.bytes[..]);
                            backlog.advance(n);
                            twin.bytes.drain(..n);
                            prop_assert_eq!(gathering.put_back(backlog, &buffers), twin.bytes.is_empty());
                        }
                        prop_assert_eq!(gathering.flow().changed(gathering.len()), twin.sizes_changed());
                    }
                    Event::Limits(high, low) => {
                        gathering.flow().set_limits(high, low);
                        (twin.low, twin.high) = match (low, high) {
                            (Some(low), Some(high)) => (low, high),
                            (Some(low), None) => (low, 4 * low),
                            (None, high) => (high.unwrap_or(HIGH) / 4, high.unwrap_or(HIGH)),
                        };
                    }
                    Event::UntilSent => {
                        let change = (!twin.paused).then_some(FlowChange::Pause);
                        twin.paused = true;
                        twin.until_sent = true;
                        prop_assert_eq!(gathering.flow().pause_until_sent(), change);
                    }
                    Event::GiveUp => {
                        prop_assert_eq!(gathering.give_up(), !twin.bytes.is_empty());
                        twin.bytes.clear();
                    }
                }
                prop_assert_eq!(gathering.len(), twin.bytes.len());
                prop_assert_eq!(gathering.is_empty(), twin.bytes.is_empty());
                prop_assert_eq!(gathering.flow().is_paused(), twin.paused);
                let waits = twin.enlisted && !twin.bytes.is_empty();
                prop_assert_eq!(gathering.waits_for_step_end(), waits);
            }
        }
    }

    #[test]
    fn over_the_gathering_limit_it_is_sent_at_once_whatever_the_marks() {
        let gathering = Gathering::<{ usize::MAX }>::new();
        assert_eq!(gathering.grew(GATHER_LIMIT, true), AfterWrite::Enlist);
        assert_eq!(gathering.grew(GATHER_LIMIT + 1, true), AfterWrite::SendNow);
    }

    #[test]
    fn memory_goes_back_to_the_loop_when_nothing_is_left() {
        let buffers = Buffers::default();
        let gathering = Gathering::<HIGH>::new();
        gathering.push(b"sent", &buffers);
        let mut backlog = gathering.take().expect("something was written");
        let memory = backlog.front().as_ptr();
        backlog.advance(4);
        assert!(gathering.put_back(backlog, &buffers));
        assert!(gathering.take().is_none());
        gathering.push(b"more", &buffers);
        let backlog = gathering.take().expect("something was written");
        assert_eq!(backlog.front().as_ptr(), memory);
    }
}
