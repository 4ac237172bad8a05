//! What all hosts share: time, chance, what will happen, and the digest of what happened.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::awake::Awake;
use super::decisions::{Decisions, Happened};
use super::faults::{Fault, Faults};
use super::random::{Random, mix};
use crate::event_loop::{Clock, SystemClock};

/// What is done at its time.
pub(super) type Action = Box<dyn FnOnce()>;

/// What is noted in the digest.
#[derive(Debug, Clone, Copy)]
pub(super) enum Note {
    Turn,
    Send,
    Receive,
    Arrival,
    End,
    Failure,
    Connect,
    Accept,
    Datagram,
    LookUp,
    Link,
    Crash,
}

/// The world of a simulation.
pub(super) struct World {
    seed: u64,
    /// The instant that counts as the beginning. No duration depends on which it is.
    start: Instant,
    now: Cell<Duration>,
    agenda: RefCell<Agenda<Action>>,
    /// Decides what is not a fault: times, orders.
    chance: RefCell<Random>,
    /// What the programs leave to chance.
    programs: RefCell<Random>,
    faults: RefCell<Faults>,
    decisions: RefCell<Decisions>,
    digest: Cell<u64>,
    events: Cell<u64>,
    pub(super) awake: Rc<Awake>,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        World {
            seed,
            start: SystemClock.now(),
            now: Cell::new(Duration::ZERO),
            agenda: RefCell::new(Agenda::new()),
            chance: RefCell::new(Random::new(mix(seed, 1))),
            programs: RefCell::new(Random::new(mix(seed, 3))),
            faults: RefCell::new(Faults::none()),
            decisions: RefCell::new(Decisions::new(seed)),
            digest: Cell::new(seed),
            events: Cell::new(0),
            awake: Rc::default(),
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The time since the beginning.
    pub(super) fn now(&self) -> Duration {
        self.now.get()
    }

    pub(super) fn instant(&self) -> Instant {
        self.start + self.now.get()
    }

    /// The time of an instant that a loop's clock gave.
    pub(super) fn time_of(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }

    /// Time passes. It never goes back.
    pub(super) fn pass_until(&self, time: Duration) {
        self.now.set(self.now.get().max(time));
    }

    /// Does something after a while.
    pub(super) fn after(&self, delay: Duration, action: impl FnOnce() + 'static) {
        self.agenda.borrow_mut().put(self.now() + delay, Box::new(action));
    }

    pub(super) fn next_action_at(&self) -> Option<Duration> {
        self.agenda.borrow().next_time()
    }

    /// Does what is next on the agenda, at its time.
    pub(super) fn act(&self) {
        let Some(at) = self.next_action_at() else { return };
        self.pass_until(at);
        let action = self.agenda.borrow_mut().take_next();
        self.count_event();
        if let Some(action) = action {
            action();
        }
    }

    /// Forgets what would happen. What is on the agenda may hold the world, so this also ends that circle.
    pub(super) fn end(&self) {
        // What is dropped may put something on the agenda again, such as the end of a connection.
        loop {
            let forgotten = std::mem::replace(&mut *self.agenda.borrow_mut(), Agenda::new());
            if forgotten.next_time().is_none() {
                return;
            }
        }
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        *self.faults.borrow_mut() = faults;
    }

    /// A copy of some setting of the faults.
    pub(super) fn setting<R>(&self, of: impl FnOnce(&Faults) -> R) -> R {
        of(&self.faults.borrow())
    }

    /// Whether a fault happens, and by what its details are decided.
    pub(super) fn decide(&self, fault: Fault, host: usize) -> Option<Random> {
        let chance = self.faults.borrow().chance(fault);
        self.decisions.borrow_mut().decide(fault, chance, self.now(), host)
    }

    pub(super) fn count_of(&self, fault: Fault) -> u64 {
        self.decisions.borrow().count(fault)
    }

    pub(super) fn keep_script(&self) {
        self.decisions.borrow_mut().keep_script();
    }

    pub(super) fn allow_only(&self, faults: BTreeSet<u64>) {
        self.decisions.borrow_mut().allow_only(faults);
    }

    pub(super) fn script(&self) -> Vec<Happened> {
        self.decisions.borrow().script().to_vec()
    }

    pub(super) fn within(&self, range: &Range<Duration>) -> Duration {
        self.chance.borrow_mut().within(range)
    }

    pub(super) fn random(&self) -> u64 {
        self.programs.borrow_mut().number()
    }

    pub(super) fn below(&self, limit: usize) -> usize {
        self.chance.borrow_mut().below(limit)
    }

    pub(super) fn shuffle<T>(&self, items: &mut [T]) {
        self.chance.borrow_mut().shuffle(items);
    }

    /// Notes what happened at which host. What is noted makes the digest, so two runs with one digest took one course.
    pub(super) fn note(&self, note: Note, host: usize, number: usize) {
        let mut digest = mix(self.digest.get(), note as u64 | (host as u64) << 8);
        digest = mix(digest, number as u64);
        self.digest.set(mix(digest, self.now().as_nanos() as u64));
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest.get()
    }

    pub(super) fn count_event(&self) {
        self.events.set(self.events.get() + 1);
    }

    pub(super) fn events(&self) -> u64 {
        self.events.get()
    }
}
