//! The reactor: which source watches which descriptor, and what became ready.
//!
//! It calls no source. [`Reactor::wait`] polls the selector for events, and [`Reactor::collect`] turns them into
//! readiness bits and passes the sources that are to be called to its caller, which queues them. No user code runs
//! between the two, so the source of each event still has its seat.

mod mio_selector;
mod registration;
mod selector;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use crate::errors::loop_is_closed;
use crate::slots::{Slots, shrink_map};

pub(crate) use mio_selector::MioSelector;
pub(crate) use registration::{Again, Direction, Registration, Source};
pub use selector::{Bell, Events, Readiness, Selector, Token};

/// The table of watched sources, and the selector that watches them.
pub(crate) struct Reactor {
    selector: RefCell<Box<dyn Selector>>,
    table: RefCell<Table>,
    /// The events of the last wait, until they are collected.
    events: Cell<Events>,
}

/// Invariant: a source is in the table exactly while its registration has a token.
struct Table {
    seats: Slots<Seat>,
    /// The seats by descriptor. The map is made when it is first needed, which is never in most programs. Invariant:
    /// for each descriptor in the table, it has the seat of the source that was added last. An earlier source with the
    /// same number has closed its descriptor without telling the reactor.
    index: Option<HashMap<RawFd, u32>>,
    /// It grows with every source, so that an event for an earlier holder of a seat can be recognised.
    next_generation: u32,
}

struct Seat {
    generation: u32,
    fd: RawFd,
    source: Rc<dyn Source>,
}

impl Reactor {
    pub(crate) fn new(selector: Box<dyn Selector>) -> Self {
        let table = Table { seats: Slots::new(), index: None, next_generation: 0 };
        Reactor { selector: RefCell::new(selector), table: RefCell::new(table), events: Cell::default() }
    }

    /// Registers a descriptor, once and for both directions. From now on events set the source's readiness, and the
    /// table keeps the source until [`unwatch`](Reactor::unwatch).
    pub(crate) fn watch(&self, fd: RawFd, source: Rc<dyn Source>) -> io::Result<()> {
        let token = self.table.borrow_mut().seat(fd, Rc::clone(&source));
        let registered = self.selector.borrow_mut().register(fd, token);
        match registered {
            Ok(()) => source.registration().set_token(token),
            Err(_) => drop(self.table.borrow_mut().vacate(token)),
        }
        registered
    }

    /// Keeps a source that no selector can watch. It counts as ready in both directions. No event will make it ready
    /// again. So either it never calls [`exhausted`](Registration::exhausted), like a file, which is always ready, or
    /// [`became_ready`](Reactor::became_ready) must be called for it.
    pub(crate) fn keep_ready(&self, fd: RawFd, source: Rc<dyn Source>) {
        let token = self.table.borrow_mut().seat(fd, Rc::clone(&source));
        source.registration().set_token(token);
        source.registration().believe_ready(Direction::Read);
        source.registration().believe_ready(Direction::Write);
    }

    /// Takes a source out of the table and returns it. The selector is not told, since the descriptor is about to be
    /// closed, which takes it out of the selector without another system call. A late event finds the seat empty, or
    /// with another generation. If the source is in the ready queue, it is still called, unless it [wants
    /// nothing](Registration::want_nothing) any more.
    pub(crate) fn unwatch(&self, registration: &Registration) -> Option<Rc<dyn Source>> {
        let token = registration.take_token()?;
        self.table.borrow_mut().vacate(token)
    }

    /// Gives the seat and the readiness of a watched descriptor to another source, without a system call. Returns the
    /// source that had them.
    pub(crate) fn hand_over(&self, from: &Registration, to: Rc<dyn Source>) -> Option<Rc<dyn Source>> {
        let token = to.registration().inherit(from)?;
        let mut table = self.table.borrow_mut();
        Some(std::mem::replace(&mut table.at_mut(token)?.source, to))
    }

    /// Registers a descriptor again, for the directions that its source wants. If it is ready, the next poll reports
    /// it, even if its readiness was reported before.
    ///
    /// # Errors
    ///
    /// Fails if the descriptor is not registered any more.
    pub(crate) fn rearm(&self, fd: RawFd, registration: &Registration) -> io::Result<()> {
        let Some((token, wanted)) = registration.token_and_wanted() else { return Ok(()) };
        self.selector.borrow_mut().reregister(fd, token, wanted)
    }

    /// The source that watches this descriptor. The first call makes the index.
    pub(crate) fn holder_of(&self, fd: RawFd) -> Option<Rc<dyn Source>> {
        let mut table = self.table.borrow_mut();
        let seat = table.index().get(&fd).copied();
        seat.and_then(|seat| table.seats.get(seat)).map(|seat| Rc::clone(&seat.source))
    }

    /// Takes a descriptor that stays open out of the selector, which [`unwatch`](Reactor::unwatch) does not do.
    pub(crate) fn deregister(&self, fd: RawFd) -> io::Result<()> {
        self.selector.borrow_mut().deregister(fd)
    }

    /// Waits for at most `timeout`. Returns whether any event came. A ring of the bell counts as one.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let mut events = self.events.take();
        let came = self.selector.borrow_mut().poll(timeout, &mut events);
        self.events.set(events);
        came
    }

    /// Sets the readiness that events reported, and calls `queue` with each source that is to be called. `queue` must
    /// not call user code.
    #[inline]
    pub(crate) fn collect(&self, mut queue: impl FnMut(Rc<dyn Source>, Direction)) {
        let mut events = self.events.take();
        let table = self.table.borrow();
        for &(token, readiness) in events.list() {
            let Some(source) = table.at(token) else { continue };
            note_event(source, readiness, &mut queue);
        }
        drop(table);
        events.clear();
        self.events.set(events);
    }

    /// Does what [`collect`](Reactor::collect) does for an event, for a source that was [kept](Reactor::keep_ready) and
    /// that code on this thread has made ready.
    pub(crate) fn became_ready(&self, fd: RawFd, readiness: Readiness, queue: impl FnMut(Rc<dyn Source>, Direction)) {
        if let Some(source) = self.holder_of(fd) {
            note_event(&source, readiness, queue);
        }
    }

    /// A bell by which other threads can end a wait.
    pub(crate) fn bell(&self) -> io::Result<Box<dyn Bell>> {
        self.selector.borrow_mut().bell()
    }

    /// Takes the selector out, for a loop that closes, since a handle to a closed loop must not keep descriptors open.
    /// The caller drops it, since it may be user code.
    pub(crate) fn close(&self) -> Box<dyn Selector> {
        self.selector.replace(Box::new(Closed))
    }

    /// All watched sources.
    pub(crate) fn sources(&self) -> Vec<Rc<dyn Source>> {
        self.table.borrow().seats.values().map(|seat| Rc::clone(&seat.source)).collect()
    }

    /// Empties the table, for a loop that closes.
    pub(crate) fn take_all(&self) -> Vec<Rc<dyn Source>> {
        let mut table = self.table.borrow_mut();
        table.index = None;
        std::mem::take(&mut table.seats).into_values().map(|seat| seat.source).collect()
    }

    pub(crate) fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        self.selector.borrow().try_clone_fd()
    }
}

impl Table {
    fn seat(&mut self, fd: RawFd, source: Rc<dyn Source>) -> Token {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        let seat = self.seats.insert(Seat { generation, fd, source });
        if let Some(index) = &mut self.index {
            index.insert(fd, seat);
        }
        Token::new(seat, generation)
    }

    fn vacate(&mut self, token: Token) -> Option<Rc<dyn Source>> {
        self.at(token)?;
        let seat = self.seats.remove(token.index())?;
        if self.index.is_some() {
            self.forget(seat.fd, token.index());
        }
        Some(seat.source)
    }

    #[cold]
    fn index(&mut self) -> &HashMap<RawFd, u32> {
        let seats = &self.seats;
        self.index.get_or_insert_with(|| seats.iter().map(|(seat, entry)| (entry.fd, seat)).collect())
    }

    /// Removes a descriptor from the index when its seat has become free, unless another source has the same descriptor
    /// now.
    #[cold]
    fn forget(&mut self, fd: RawFd, seat: u32) {
        let Some(index) = &mut self.index else { return };
        if index.get(&fd) == Some(&seat) {
            index.remove(&fd);
        }
        shrink_map(index);
    }

    fn at_mut(&mut self, token: Token) -> Option<&mut Seat> {
        self.seats.get_mut(token.index()).filter(|seat| seat.generation == token.generation())
    }

    #[inline]
    fn at(&self, token: Token) -> Option<&Rc<dyn Source>> {
        self.seats.get(token.index()).filter(|seat| seat.generation == token.generation()).map(|seat| &seat.source)
    }
}

/// Sets the directions that became ready, and calls `queue` for each direction in which the source is to be called.
#[inline]
fn note_event(source: &Rc<dyn Source>, readiness: Readiness, mut queue: impl FnMut(Rc<dyn Source>, Direction)) {
    let due = source.registration().note_event(readiness);
    if due.contains(Readiness::READABLE) {
        queue(Rc::clone(source), Direction::Read);
    }
    if due.contains(Readiness::WRITABLE) {
        queue(Rc::clone(source), Direction::Write);
    }
}

/// The selector of a closed loop.
struct Closed;

impl Selector for Closed {
    fn register(&mut self, _fd: RawFd, _token: Token) -> io::Result<()> {
        Err(loop_is_closed())
    }

    fn deregister(&mut self, _fd: RawFd) -> io::Result<()> {
        Err(loop_is_closed())
    }

    fn poll(&mut self, _timeout: Option<Duration>, _events: &mut Events) -> io::Result<bool> {
        Err(loop_is_closed())
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Err(loop_is_closed())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    /// A selector that takes every number.
    struct Willing;

    impl Selector for Willing {
        fn register(&mut self, _fd: RawFd, _token: Token) -> io::Result<()> {
            Ok(())
        }

        fn deregister(&mut self, _fd: RawFd) -> io::Result<()> {
            Ok(())
        }

        fn poll(&mut self, _timeout: Option<Duration>, _events: &mut Events) -> io::Result<bool> {
            Ok(false)
        }

        fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
            unreachable!("nobody asks for it")
        }
    }

    struct Idle(Registration);

    impl Source for Idle {
        fn registration(&self) -> &Registration {
            &self.0
        }

        fn on_ready(&self, _direction: Direction) -> Again {
            Again::No
        }

        fn let_go(&self) {}

        fn label(&self) -> String {
            "idle".to_owned()
        }

        fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("idle")
        }
    }

    fn watch(reactor: &Reactor, fd: RawFd) -> Rc<dyn Source> {
        let source: Rc<dyn Source> = Rc::new(Idle(Registration::new()));
        reactor.watch(fd, Rc::clone(&source)).expect("every number is taken");
        source
    }

    fn has(reactor: &Reactor, fd: RawFd, expected: Option<&Rc<dyn Source>>) -> bool {
        match (reactor.holder_of(fd), expected) {
            (Some(holder), Some(expected)) => Rc::ptr_eq(&holder, expected),
            (holder, expected) => holder.is_none() && expected.is_none(),
        }
    }

    #[test]
    fn who_has_a_descriptor_is_known_before_and_after_it_was_first_asked() {
        let reactor = Reactor::new(Box::new(Willing));
        let early = watch(&reactor, 7);
        assert!(has(&reactor, 7, Some(&early)) && has(&reactor, 8, None));
        let late = watch(&reactor, 8);
        assert!(has(&reactor, 8, Some(&late)));
        drop(reactor.unwatch(early.registration()));
        assert!(has(&reactor, 7, None) && has(&reactor, 8, Some(&late)));
        // The descriptor is closed without `unwatch` and its number used again. The new source has it, even after the
        // old one is unwatched.
        let again = watch(&reactor, 8);
        assert!(has(&reactor, 8, Some(&again)));
        drop(reactor.unwatch(late.registration()));
        assert!(has(&reactor, 8, Some(&again)));
        // Another source takes over.
        let heir: Rc<dyn Source> = Rc::new(Idle(Registration::new()));
        drop(reactor.hand_over(again.registration(), Rc::clone(&heir)));
        assert!(has(&reactor, 8, Some(&heir)));
        assert_eq!(reactor.take_all().len(), 1);
        assert!(has(&reactor, 8, None));
    }

    #[test]
    fn asking_who_has_a_descriptor_looks_at_no_other() {
        // If each of these look-ups searched all sources, this would take minutes.
        let reactor = Reactor::new(Box::new(Willing));
        let sources: Vec<_> = (0..100_000).map(|fd| watch(&reactor, fd)).collect();
        for (fd, source) in (0..).zip(&sources) {
            assert!(has(&reactor, fd, Some(source)));
            drop(reactor.unwatch(source.registration()));
            assert!(has(&reactor, fd, None));
        }
    }
}
