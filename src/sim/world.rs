//! What all hosts share: time, chance, the agenda of future actions, and the digest of past events.

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

/// Something to do at a certain time.
pub(super) type Action = Box<dyn FnOnce()>;

/// An event that is noted in the digest.
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
    /// The instant at which simulated time begins. No duration depends on it.
    start: Instant,
    now: Cell<Duration>,
    agenda: RefCell<Agenda<Action>>,
    /// Decides everything but faults: durations and orders.
    chance: RefCell<Random>,
    /// The random numbers of the programs.
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

    /// The simulated time since the beginning.
    pub(super) fn now(&self) -> Duration {
        self.now.get()
    }

    pub(super) fn instant(&self) -> Instant {
        self.start + self.now.get()
    }

    /// The simulated time of an instant of a loop's clock.
    pub(super) fn time_of(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.start)
    }

    /// Moves the time forward to `time`, never backward.
    pub(super) fn pass_until(&self, time: Duration) {
        self.now.set(self.now.get().max(time));
    }

    /// Does something after a delay.
    pub(super) fn after(&self, delay: Duration, action: impl FnOnce() + 'static) {
        self.agenda.borrow_mut().put(self.now() + delay, Box::new(action));
    }

    pub(super) fn next_action_at(&self) -> Option<Duration> {
        self.agenda.borrow().next_time()
    }

    /// Moves the time to the next action of the agenda, and does it.
    pub(super) fn act(&self) {
        let Some(at) = self.next_action_at() else { return };
        self.pass_until(at);
        let action = self.agenda.borrow_mut().take_next();
        self.count_event();
        if let Some(action) = action {
            action();
        }
    }

    /// Drops all future actions. An action may hold a reference to the world, so this also breaks that cycle.
    pub(super) fn end(&self) {
        // Dropping an action may put another on the agenda, such as the end of a connection.
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

    /// Reads a setting of the faults.
    pub(super) fn setting<R>(&self, of: impl FnOnce(&Faults) -> R) -> R {
        of(&self.faults.borrow())
    }

    /// Whether a fault happens. If so, returns the random numbers that decide its details.
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

    /// Mixes an event at a host into the digest, so two runs with the same digest took the same course.
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
