//! A list of waiters for the same thing. Giving up a wait costs the same however many others wait.

use std::cell::Cell;
use std::future::Future;
use std::mem::replace;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::executor::{Executor, Reason, Waiter, WaiterCell, leave, poll_operation, return_operation};
use crate::slots::Slots;

/// Any number of waiters. While there are none, this is one pointer.
#[derive(Default)]
pub(crate) struct Waiters(Cell<Option<Box<List>>>);

/// The waiters, in the order in which they began to wait.
#[derive(Default)]
struct List {
    /// The waiter that began first. Usually there is no other.
    first: Option<Place>,
    /// The others, if there ever were two waiters at once. While there are any, every new waiter is added here, even if
    /// the first one is gone.
    others: Option<Box<Queue>>,
    next_number: u32,
    /// The waiters of [`poll_kept`](Waiters::poll_kept). Shared, since waking them may run user code, which may poll
    /// again.
    kept: Option<Rc<[WaiterCell; KEPT_PLACES]>>,
}

/// How many places [`Waiters::poll_kept`] has.
pub(crate) const KEPT_PLACES: usize = 3;

/// A waiter, and the number of its ticket.
struct Place {
    number: u32,
    waiter: Waiter,
}

/// Names a waiter. It may outlive the waiter, since a ticket is not issued again before 2^32 others were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticket {
    number: u32,
    /// The waiter's key in the queue, or [`FIRST`].
    key: u32,
}

/// The key of the first waiter, which is not in the queue.
const FIRST: u32 = u32::MAX;

/// A linked list in a table, so that a waiter can be removed from the middle.
///
/// Invariant: following `newer` from `oldest` visits all links up to `newest`, and following `older` from there visits
/// them in reverse.
struct Queue {
    links: Slots<Link, 64>,
    oldest: u32,
    newest: u32,
}

struct Link {
    place: Place,
    older: u32,
    newer: u32,
}

/// No link has this key. It ends the list.
const NOBODY: u32 = u32::MAX;

impl Waiters {
    /// Wakes all waiters, in the order in which they began to wait, except those of [`poll_kept`](Waiters::poll_kept).
    pub(crate) fn wake_all(&self) {
        let Some(mut list) = self.0.take() else { return };
        let (first, others) = (list.first.take(), list.others.take());
        self.0.set(Some(list));
        if let Some(place) = first {
            place.waiter.wake();
        }
        if let Some(mut others) = others {
            while let Some(place) = others.remove(others.oldest) {
                place.waiter.wake();
            }
        }
    }

    /// Wakes all waiters, and those of [`poll_kept`](Waiters::poll_kept) last. `executor` is the one that is passed
    /// there.
    pub(crate) fn wake_all_and_kept(&self, executor: Option<&Executor>) {
        self.wake_all();
        for place in self.kept().iter().flat_map(|kept| kept.iter()) {
            place.wake(executor);
        }
    }

    fn kept(&self) -> Option<Rc<[WaiterCell; KEPT_PLACES]>> {
        let list = self.0.take()?;
        let kept = list.kept.clone();
        self.0.set(Some(list));
        kept
    }

    /// Waits until `check`, which is called at each poll, returns a value. Any number of tasks may wait, and each can
    /// give up by dropping its future.
    pub(crate) fn wait<R, F: FnMut() -> Option<R>>(&self, reason: Reason, check: F) -> Wait<'_, F> {
        Wait { waiters: self, reason, check, ticket: None }
    }

    /// Polls for the value of `check`, like a future of [`wait`](Waiters::wait) but without a future: the waiter is
    /// kept in one of a few numbered places until it is woken, or until another poll uses that place. It cannot give
    /// up.
    ///
    /// Each place allocates at most twice, however often it is waited in.
    #[inline]
    pub(crate) fn poll_kept<'a, R>(
        &self,
        place: usize,
        reason: Reason,
        executor: impl FnOnce() -> Option<&'a Executor>,
        cx: &Context<'_>,
        check: impl FnOnce() -> Option<R>,
    ) -> Poll<R> {
        ready!(poll_operation(cx));
        if let Some(answer) = check() {
            return Poll::Ready(answer);
        }
        self.keep(place, reason, executor(), cx);
        Poll::Pending
    }

    /// Separate from `poll_kept`, which is usually ready.
    #[inline(never)]
    fn keep(&self, place: usize, reason: Reason, executor: Option<&Executor>, cx: &Context<'_>) {
        return_operation();
        leave(reason);
        let mut list = self.0.take().unwrap_or_default();
        let kept = Rc::clone(list.kept.get_or_insert_default());
        self.0.set(Some(list));
        kept[place].set(executor, cx);
    }

    /// Whether the task of this seat waits.
    pub(crate) fn has(&self, seat: u32) -> bool {
        let Some(list) = self.0.take() else { return false };
        let first = list.first.iter().map(|place| &place.waiter);
        let others = list.others.iter().flat_map(|others| others.links.values()).map(|link| &link.place.waiter);
        let mut kept = list.kept.iter().flat_map(|kept| kept.iter());
        let has = first.chain(others).any(|waiter| waiter.is_seat(seat)) || kept.any(|place| place.is_seat(seat));
        self.0.set(Some(list));
        has
    }

    /// Whether there are no waiters.
    pub(crate) fn is_empty(&self) -> bool {
        let Some(list) = self.0.take() else { return true };
        let others = list.others.as_ref().is_some_and(|others| others.oldest != NOBODY);
        let kept = list.kept.iter().flat_map(|kept| kept.iter()).any(|place| !place.is_empty());
        let is_empty = list.first.is_none() && !others && !kept;
        self.0.set(Some(list));
        is_empty
    }

    /// Adds a waiter: in place of the one with this ticket, if that one still waits, otherwise behind all others.
    fn put(&self, ticket: Option<Ticket>, waiter: Waiter) -> Ticket {
        let mut list = self.0.take().unwrap_or_default();
        let waiting = ticket.and_then(|ticket| Some((ticket, list.find(ticket)?)));
        let Some((ticket, place)) = waiting else {
            let ticket = list.push(waiter);
            self.0.set(Some(list));
            return ticket;
        };
        let earlier = replace(&mut place.waiter, waiter);
        // Dropping a foreign waker is user code, which may use these waiters.
        self.0.set(Some(list));
        drop(earlier);
        ticket
    }

    fn remove(&self, ticket: Ticket) {
        let Some(mut list) = self.0.take() else { return };
        let place = list.remove(ticket);
        self.0.set(Some(list));
        drop(place);
    }
}

impl List {
    fn push(&mut self, waiter: Waiter) -> Ticket {
        let number = self.next_number;
        self.next_number = number.wrapping_add(1);
        let place = Place { number, waiter };
        let has_others = self.others.as_ref().is_some_and(|others| others.oldest != NOBODY);
        if self.first.is_none() && !has_others {
            self.first = Some(place);
            return Ticket { number, key: FIRST };
        }
        let key = self.others.get_or_insert_default().push(place);
        Ticket { number, key }
    }

    /// The place of the waiter with this ticket. `None` if it was woken.
    fn find(&mut self, ticket: Ticket) -> Option<&mut Place> {
        let place = match ticket.key {
            FIRST => self.first.as_mut()?,
            key => &mut self.others.as_mut()?.links.get_mut(key)?.place,
        };
        Some(place).filter(|place| place.number == ticket.number)
    }

    fn remove(&mut self, ticket: Ticket) -> Option<Place> {
        self.find(ticket)?;
        match ticket.key {
            FIRST => self.first.take(),
            key => self.others.as_mut()?.remove(key),
        }
    }
}

impl Queue {
    fn push(&mut self, place: Place) -> u32 {
        let key = self.links.insert(Link { place, older: self.newest, newer: NOBODY });
        match self.links.get_mut(self.newest) {
            Some(newest) => newest.newer = key,
            None => self.oldest = key,
        }
        self.newest = key;
        key
    }

    fn remove(&mut self, key: u32) -> Option<Place> {
        let Link { place, older, newer } = self.links.remove(key)?;
        match self.links.get_mut(older) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        Some(place)
    }
}

impl Default for Queue {
    fn default() -> Self {
        Queue { links: Slots::new(), oldest: NOBODY, newest: NOBODY }
    }
}

/// The future of [`Waiters::wait`].
pub(crate) struct Wait<'a, F> {
    waiters: &'a Waiters,
    reason: Reason,
    check: F,
    ticket: Option<Ticket>,
}

impl<F> Unpin for Wait<'_, F> {}

impl<R, F: FnMut() -> Option<R>> Future for Wait<'_, F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        ready!(poll_operation(cx));
        if let Some(answer) = (self.check)() {
            return Poll::Ready(answer);
        }
        return_operation();
        leave(self.reason);
        self.ticket = Some(self.waiters.put(self.ticket, Waiter::of(cx)));
        Poll::Pending
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.waiters.remove(ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::task::{Wake, Waker};

    use super::*;
    use crate::executor::Awaited;

    const REASON: Reason = Reason::polled(Awaited::Promise);

    /// The numbers of the waiters that were woken, in order.
    type Woken = Arc<Mutex<Vec<usize>>>;

    struct Bell(usize, Woken);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    fn poll(wait: &mut Wait<'_, impl FnMut() -> Option<()>>, number: usize, woken: &Woken) {
        let waker = Waker::from(Arc::new(Bell(number, Arc::clone(woken))));
        assert!(Pin::new(wait).poll(&mut Context::from_waker(&waker)).is_pending());
    }

    /// The naive twin is a list that is searched for each waiter that gives up.
    #[test]
    fn all_are_woken_in_the_order_in_which_they_began_to_wait_whoever_gives_up_or_waits_again() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let (waiters, woken) = (Waiters::default(), Woken::default());
        let mut waits = Vec::new();
        let mut twin: Vec<usize> = Vec::new();
        let mut most = 0;
        for number in 0..30_000 {
            // The number of waiters grows and shrinks.
            let crowding = number / 1_000 % 2 == 0;
            match random(200) {
                0 => {
                    waiters.wake_all();
                    assert_eq!(*woken.lock().unwrap(), twin);
                    woken.lock().unwrap().clear();
                    twin.clear();
                }
                // A waiting future that is polled again keeps its place. One that was woken begins to wait again.
                1..40 if !waits.is_empty() => {
                    let at = random(waits.len());
                    let (number, wait) = &mut waits[at];
                    poll(wait, *number, &woken);
                    if !twin.contains(number) {
                        twin.push(*number);
                    }
                }
                40..180 if !waits.is_empty() && (!crowding || random(3) == 0) => {
                    let at = random(waits.len());
                    let (number, wait) = waits.swap_remove(at);
                    drop(wait);
                    twin.retain(|waiting| *waiting != number);
                }
                _ => {
                    let mut wait = waiters.wait(REASON, || None::<()>);
                    poll(&mut wait, number, &woken);
                    waits.push((number, wait));
                    twin.push(number);
                }
            }
            assert_eq!(waiters.is_empty(), twin.is_empty());
            most = most.max(twin.len());
        }
        assert!(most > 100, "never more than {most} waited at once");
        waiters.wake_all();
        assert_eq!(*woken.lock().unwrap(), twin);
    }

    #[test]
    fn a_kept_waiter_is_replaced_by_the_next_in_its_place_and_woken_once_after_those_who_wait() {
        let (waiters, woken) = (Waiters::default(), Woken::default());
        let keep = |place, number| {
            let waker = Waker::from(Arc::new(Bell(number, Arc::clone(&woken))));
            assert!(
                waiters.poll_kept(place, REASON, || None, &Context::from_waker(&waker), || None::<()>).is_pending()
            );
        };
        keep(0, 10);
        keep(1, 11);
        keep(0, 12);
        assert!(!waiters.is_empty(), "who is kept waits");
        let mut waits: Vec<_> = (0..2).map(|_| waiters.wait(REASON, || None::<()>)).collect();
        for (number, wait) in waits.iter_mut().enumerate() {
            poll(wait, number, &woken);
        }
        drop(waits);
        waiters.wake_all_and_kept(None);
        waiters.wake_all_and_kept(None);
        assert!(waiters.is_empty(), "who was woken waits no more");
        assert_eq!(*woken.lock().unwrap(), [12, 11], "futures that are dropped take their wakers along");
        assert_eq!(
            waiters.poll_kept(0, REASON, || None, &Context::from_waker(Waker::noop()), || Some(1)),
            Poll::Ready(1)
        );
    }

    #[test]
    fn a_crowd_gives_up_one_by_one_from_either_end_and_from_the_middle() {
        // If each waiter were searched for among the others, this would take minutes.
        let waiters = Waiters::default();
        let mut cx = Context::from_waker(Waker::noop());
        for leaving in 0..3 {
            let mut waits: Vec<_> = (0..200_000).map(|_| waiters.wait(REASON, || None::<()>)).collect();
            for wait in &mut waits {
                assert!(Pin::new(wait).poll(&mut cx).is_pending());
            }
            match leaving {
                0 => waits.drain(..).for_each(drop),
                1 => waits.drain(..).rev().for_each(drop),
                _ => {
                    while !waits.is_empty() {
                        drop(waits.swap_remove(waits.len() / 2));
                    }
                }
            }
            let list = waiters.0.take().expect("it is kept");
            assert!(list.first.is_none() && list.others.as_ref().is_none_or(|others| others.links.is_empty()));
            waiters.0.set(Some(list));
        }
    }
}
