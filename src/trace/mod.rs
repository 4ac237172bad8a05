//! The trace of a loop: what its turns did, kept in a ring and written as Chrome's trace events, which
//! [Perfetto](https://ui.perfetto.dev) shows.
//!
//! This module knows neither the loop nor a clock: the caller says what begins and ends, and when. Every slice that
//! begins also ends, even when a panic unwinds. A [flow](What::FlowBegins) leads from the slice that queued a handle
//! to the slice in which the handle runs.

mod file;
mod json;
mod record;
mod writer;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use crate::report;
use file::TraceFile;
pub(crate) use file::{Destination, from_environment};
pub(crate) use record::{Counter, Name, Phase};
use record::{Record, What};

/// Before a wait, the trace is saved if this long has passed since it was last saved. So a program that is killed
/// leaves a trace of all but its last second.
const SAVED_EVERY: Duration = Duration::from_secs(1);

/// How many records are kept by default: 3 MB of memory, and a file of 7 MB.
pub(crate) const RECORDS_KEPT: usize = 1 << 16;

pub(crate) struct Tracer {
    began: Instant,
    most: usize,
    /// The last records, at most `most` of them.
    records: RefCell<VecDeque<Record>>,
    /// How many records were dropped from the front.
    dropped: Cell<u64>,
    /// The flow that leads to each handle in the ready queue, in the order of the queue. Zero for a handle that was
    /// queued between two turns, which has no flow.
    flows: RefCell<VecDeque<u64>>,
    /// The flows that lead to the handles of the batch that have not run yet.
    batch: RefCell<VecDeque<u64>>,
    next_flow: Cell<u64>,
    /// The number of bytes that the kernel did not take, for each transport that has such bytes, by its address.
    unsent: RefCell<HashMap<usize, usize>>,
    /// When the turn began, until its first part begins.
    turn_began: Cell<Option<Instant>>,
    number: u32,
    file: RefCell<TraceFile>,
    saved_at: Cell<Instant>,
    has_failed: Cell<bool>,
    has_seen_panic: Cell<bool>,
}

impl Tracer {
    /// Opens the file at once, so that a path that cannot be written to is noticed early.
    pub(crate) fn new(to: &Destination, most: usize, now: Instant) -> io::Result<Tracer> {
        Ok(Tracer {
            began: now,
            most: most.max(1),
            records: RefCell::default(),
            dropped: Cell::new(0),
            flows: RefCell::default(),
            batch: RefCell::default(),
            next_flow: Cell::new(1),
            unsent: RefCell::default(),
            turn_began: Cell::new(None),
            number: to.number,
            file: RefCell::new(TraceFile::create(&to.path)?),
            saved_at: Cell::new(now),
            has_failed: Cell::new(false),
            has_seen_panic: Cell::new(false),
        })
    }

    /// A turn begins.
    pub(crate) fn begin_turn(&self, now: Instant) {
        self.begin(now, Name::Phase(Phase::Turn));
        self.turn_began.set(Some(now));
    }

    /// A part of the turn begins, and the part before it ends; the first part begins with the turn.
    pub(crate) fn begin_part(&self, now: Instant, part: Phase) {
        let began = self.turn_began.take().unwrap_or_else(|| {
            self.end(now);
            now
        });
        self.begin(began, Name::Phase(part));
    }

    /// The turn ends with its last part.
    pub(crate) fn end_turn(&self, now: Instant) {
        self.end(now);
        self.end(now);
    }

    /// A slice begins, inside the last slice that began and has not ended.
    pub(crate) fn begin(&self, now: Instant, name: Name) {
        self.push(now, What::Begins(name));
    }

    /// The slice that began last ends.
    pub(crate) fn end(&self, now: Instant) {
        self.push(now, What::Ends);
    }

    pub(crate) fn mark(&self, now: Instant, text: &str) {
        self.push(now, What::Mark(text.into()));
    }

    pub(crate) fn count(&self, now: Instant, counter: Counter, value: usize) {
        self.push(now, What::Counts(counter, value as u64));
    }

    /// A transport has this many bytes that the kernel did not take.
    pub(crate) fn unsent(&self, now: Instant, transport: usize, bytes: usize) {
        let mut unsent = self.unsent.borrow_mut();
        let before = if bytes == 0 { unsent.remove(&transport) } else { unsent.insert(transport, bytes) };
        if before.unwrap_or(0) != bytes {
            let (connections, all) = (unsent.len(), unsent.values().sum());
            drop(unsent);
            self.count(now, Counter::Unsent, all);
            self.count(now, Counter::Behind, connections);
        }
    }

    /// The current slice has queued handles: now there are `queued` in the queue.
    pub(crate) fn queued(&self, now: Instant, queued: usize) {
        let mut flows = self.flows.borrow_mut();
        while flows.len() < queued {
            let flow = self.next_flow.replace(self.next_flow.get() + 1);
            flows.push_back(flow);
            self.push(now, What::FlowBegins(flow));
        }
    }

    /// Handles in the queue that have no entry in `flows` yet were queued outside any slice.
    pub(crate) fn queued_outside(&self, queued: usize) {
        self.flows.borrow_mut().resize(queued, 0);
    }

    /// The queue becomes a batch.
    pub(crate) fn begin_batch(&self) {
        self.batch.borrow_mut().clear();
        self.batch.swap(&self.flows);
    }

    /// The slice that has just begun is the next handle of the batch.
    pub(crate) fn follow(&self, now: Instant) {
        let flow = self.batch.borrow_mut().pop_front().unwrap_or(0);
        if flow != 0 {
            self.push(now, What::FlowEnds(flow));
        }
    }

    fn push(&self, now: Instant, what: What) {
        let at = now.saturating_duration_since(self.began).as_nanos() as u64;
        let mut records = self.records.borrow_mut();
        if records.len() == self.most {
            records.pop_front();
            self.dropped.set(self.dropped.get() + 1);
        }
        records.push_back(Record { at, what });
    }

    /// Whether it is time to save the trace, in case the program is killed.
    pub(crate) fn is_save_due(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.saved_at.get()) >= SAVED_EVERY
    }

    /// Whether to save the trace after a panic: after the first one, and then at most once a second.
    pub(crate) fn takes_panic(&self, now: Instant) -> bool {
        !self.has_seen_panic.replace(true) || self.is_save_due(now)
    }

    /// Replaces the content of the file with the records that are kept. A failure is reported once.
    pub(crate) fn save(&self, now: Instant) {
        if let Err(error) = self.try_save(now) {
            if !self.has_failed.replace(true) {
                let file = self.file.borrow();
                report::error(format_args!("The trace could not be written to {}: {error}", file.path().display()));
            }
        }
    }

    pub(crate) fn try_save(&self, now: Instant) -> io::Result<()> {
        self.saved_at.set(now);
        let mut records = self.records.borrow_mut();
        let records = records.make_contiguous();
        self.file.borrow_mut().replace(|out| writer::write_trace(out, self.number, records, self.dropped.get()))
    }
}
