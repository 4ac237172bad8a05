//! How each future of this crate records why it waits, for later reports.
//!
//! A future that has to wait [leaves](leave) its reason with the task that is being polled. A future that is made of
//! others is wrapped by [`because`], and its own reason replaces theirs: a caller of `open_connection` wants to read
//! that name, not which part of it waits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::executor::reason::{Awaited, Reason};
use crate::executor::{TaskNode, current};

/// How many reasons of a task are kept in addition to its last. A task that waits for more things at once, such as one
/// that joins a thousand futures, must not pay for each of them.
const MOST_EARLIER: usize = 7;

/// The reasons before the last, of tasks that wait for several things at once, by seat. A tree, since hashing the seat
/// for each look-up would take longer than the rest of such a wait.
#[derive(Default)]
pub(super) struct EarlierReasons(RefCell<BTreeMap<u32, Vec<Reason>>>);

impl EarlierReasons {
    fn push(&self, seat: u32, reason: Reason) {
        let mut reasons = self.0.borrow_mut();
        let reasons = reasons.entry(seat).or_default();
        if reasons.len() < MOST_EARLIER {
            reasons.push(reason);
        }
    }

    /// How many reasons of this seat there are.
    fn count(&self, seat: u32) -> usize {
        self.0.borrow().get(&seat).map_or(0, Vec::len)
    }

    /// Forgets all but the first `count`. Their memory is kept, since the task will wait like this again.
    #[inline]
    fn truncate(&self, seat: u32, count: usize) {
        if !self.0.borrow().is_empty() {
            self.truncate_slowly(seat, count);
        }
    }

    #[cold]
    fn truncate_slowly(&self, seat: u32, count: usize) {
        if let Some(reasons) = self.0.borrow_mut().get_mut(&seat) {
            reasons.truncate(count);
        }
    }

    /// Forgets the reasons of this seat, whose task is over.
    pub(super) fn remove(&self, seat: u32) {
        if !self.0.borrow().is_empty() {
            self.0.borrow_mut().remove(&seat);
        }
    }

    pub(super) fn of(&self, seat: u32) -> Vec<Reason> {
        self.0.borrow().get(&seat).cloned().unwrap_or_default()
    }
}

/// Leaves the reason why the task that is being polled waits.
#[inline]
pub(crate) fn leave(reason: Reason) {
    current::with(|executor| executor.with_polled(|node| node.leave(reason)));
}

/// Wraps a future, which then leaves this reason where it waits, instead of those of its parts.
#[inline]
pub(crate) fn because<F: Future>(what: Awaited, at: &'static Location<'static>, future: F) -> Because<F> {
    Because { future, reason: Some(Reason::new(what, at)) }
}

/// Wraps a future of several parts, each of which leaves its own reason where it waits. When the future is done, the
/// reasons of the other parts are forgotten, since those no longer wait.
#[inline]
pub(crate) fn one_of<F: Future>(future: F) -> Because<F> {
    Because { future, reason: None }
}

pin_project! {
    /// The future of [`because`] and [`one_of`].
    pub(crate) struct Because<F> {
        #[pin]
        future: F,
        // `None` keeps the reasons of the parts.
        reason: Option<Reason>,
    }
}

impl<F: Future> Future for Because<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let before = ReasonsBefore::now();
        let polled = this.future.poll(cx);
        match *this.reason {
            _ if polled.is_ready() => before.given_up(),
            Some(reason) => {
                before.forget_since();
                leave(reason);
            }
            None => {}
        }
        polled
    }
}

/// The reasons that a poll has left up to some moment.
#[derive(Default)]
pub(crate) struct ReasonsBefore {
    last: Option<Reason>,
    /// How many reasons came before the last.
    earlier: usize,
}

impl ReasonsBefore {
    #[inline]
    pub(crate) fn now() -> Self {
        current::with(|executor| executor.with_polled(|node| node.reasons())).flatten().unwrap_or_default()
    }

    /// Forgets the reasons that were left since.
    #[inline]
    fn forget_since(self) {
        current::with(|executor| executor.with_polled(|node| node.restore(self)));
    }

    /// Forgets the reasons that were left since, because the task no longer waits for those things. The rest of its
    /// step gets a new number, so that a reason that the reader of a stream keeps itself no longer counts either.
    #[inline]
    pub(crate) fn given_up(self) {
        current::with(|executor| {
            executor.with_polled(|node| {
                node.restore(self);
                node.record().begin_part(executor.next_step());
            })
        });
    }
}

/// The reasons that the current poll leaves with the task.
impl TaskNode {
    #[inline]
    pub(super) fn leave(&self, reason: Reason) {
        let earlier_reasons = &self.executor().earlier_reasons;
        match self.record().replace_reason(Some(reason)) {
            Some(earlier) => earlier_reasons.push(self.seat(), earlier),
            // The earlier reasons are those of an earlier poll.
            None => earlier_reasons.truncate(self.seat(), 0),
        }
    }

    /// The reasons why the task waits that its last poll has left here.
    pub(crate) fn reasons_left(&self) -> Vec<Reason> {
        let Some(last) = self.record().reason() else { return Vec::new() };
        let mut reasons = self.executor().earlier_reasons.of(self.seat());
        reasons.push(last);
        reasons
    }

    #[inline]
    fn reasons(&self) -> ReasonsBefore {
        let last = self.record().reason();
        let earlier = if last.is_some() { self.executor().earlier_reasons.count(self.seat()) } else { 0 };
        ReasonsBefore { last, earlier }
    }

    #[inline]
    fn restore(&self, before: ReasonsBefore) {
        if self.record().replace_reason(before.last) != before.last {
            self.executor().earlier_reasons.truncate(self.seat(), before.earlier);
        }
    }
}
