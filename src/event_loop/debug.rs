//! Debug mode: the loop looks for likely mistakes of the program, and reports them as incidents.
//!
//! They are detected where steps are timed (`watched`), where tasks end and are woken, and where streams are paused.
//! This file remembers possible mistakes until they are certain, and reports them between two steps, since the
//! exception handler may do anything.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::env;
use std::time::Duration;

use super::undrained::AllUndrained;
use super::watched::Step;
use super::{Core, Incident, Planned};
use crate::constants::MOST_LATE_WAKES;
use crate::executor::LateWakes;
use crate::timers::Moment;

/// Whether the environment switches debug mode on.
pub(super) fn from_environment() -> bool {
    env::var_os("WATERWHEEL_DEBUG").is_some_and(|value| !value.is_empty() && value != "0")
}

/// The state of debug mode.
pub(crate) struct Debug {
    /// A step that takes this long or longer is reported.
    slow: Cell<Duration>,
    /// The longest poll of each task, by seat, with the task's number. The entry of a finished task stays until the
    /// next task in its seat is polled, so there are never more entries than there were tasks at one time.
    longest_polls: RefCell<HashMap<u32, (u32, Duration)>>,
    /// The time up to which the last turn collected timers. `None` if there was no such turn in this run.
    collected: Cell<Option<Moment>>,
    /// A timer that is late, until it is reported.
    late: Cell<Option<LateTimer>>,
    pub(super) undrained: AllUndrained,
}

struct LateTimer {
    late: Duration,
    timer: Planned,
}

impl Debug {
    pub(super) fn new(slow: Duration) -> Debug {
        Debug {
            slow: Cell::new(slow),
            longest_polls: RefCell::default(),
            collected: Cell::new(None),
            late: Cell::new(None),
            undrained: AllUndrained::default(),
        }
    }

    /// A run begins. Time has passed in which no turn collected timers.
    pub(super) fn begin_run(&self) {
        self.collected.set(None);
    }
}

impl Core {
    /// Switches debug mode on or off. Switching it off forgets its state.
    pub(crate) fn set_debug(&self, on: bool) {
        self.executor.set_debug(on);
        if !on {
            let debug = &self.watch.debug;
            drop((debug.longest_polls.take(), debug.late.take(), debug.collected.take()));
            debug.undrained.forget();
        }
    }

    pub(crate) fn slow_callback_duration(&self) -> Duration {
        self.watch.debug.slow.get()
    }

    pub(crate) fn set_slow_callback_duration(&self, most: Duration) {
        self.watch.debug.slow.set(most);
    }

    /// Whether steps are timed, so that the longest poll of each task is known.
    pub(crate) fn times_steps(&self) -> bool {
        self.is_watched()
    }

    /// The longest of the timed polls of the task with this seat and number.
    pub(crate) fn longest_poll(&self, seat: u32, number: u32) -> Option<Duration> {
        let polls = self.watch.debug.longest_polls.borrow();
        polls.get(&seat).filter(|(of, _)| *of == number).map(|(_, took)| *took)
    }

    /// Remembers how long a step took, if it was a step of a task.
    pub(super) fn note_poll(&self, step: &Step, took: Duration) {
        let Some((seat, number)) = step.task else { return };
        let mut polls = self.watch.debug.longest_polls.borrow_mut();
        let longest = polls.entry(seat).or_insert((number, Duration::ZERO));
        if longest.0 != number {
            *longest = (number, Duration::ZERO);
        }
        longest.1 = longest.1.max(took);
    }

    pub(super) fn report_slow(&self, step: &Step, took: Duration) {
        if !self.executor.is_debugged() || took < self.slow_callback_duration() {
            return;
        }
        let detail = format!("{} ran for {took:.1?}, and nothing else could meanwhile", step.name);
        let incident = Incident::new("A step took too long").with_detail(detail);
        self.report(&match step.name.location() {
            Some(location) => incident.with_location(location),
            None => incident,
        });
        self.finish_step();
    }

    /// Timers are about to be collected. A late one is reported later, since a turn calls no user code while it
    /// collects.
    ///
    /// Only a timer that became due since the last collection can be late. One with an earlier deadline was armed after
    /// its deadline.
    pub(super) fn look_for_a_late_timer(&self) {
        let (debug, now) = (&self.watch.debug, self.timeline.moment());
        let Some(before) = debug.collected.replace(Some(now)) else { return };
        let Some(deadline) = self.timers.borrow().next_deadline() else { return };
        let late = now.since(deadline);
        if self.executor.is_debugged() && deadline > before && late >= self.slow_callback_duration() {
            debug.late.set(self.planned().into_iter().next().map(|timer| LateTimer { late, timer }));
        }
    }

    /// Reports the mistakes that were found while no user code could be called.
    pub(super) fn report_between_steps(&self) {
        if let Some(late) = self.watch.debug.late.take() {
            self.report(&late.incident(self));
        }
        for LateWakes { number, spawned_at } in self.executor.take_late_wakes() {
            let detail = format!("Task-{number}, {MOST_LATE_WAKES} times; a waker is kept after its task has ended");
            let incident = Incident::new("A task is woken again and again, though it is over");
            self.report(&incident.with_detail(detail).with_location(spawned_at));
        }
        self.finish_step();
    }
}

impl LateTimer {
    fn incident(&self, core: &Core) -> Incident {
        let LateTimer { late, timer } = self;
        let incident = Incident::new("A timer was late");
        let (who, location) = match &timer.wakes {
            Some(node) => {
                (format!("the one that wakes \"{}\"", core.executor.name(node)), Some(node.record().spawned_at()))
            }
            None => ("the one of a callback".to_owned(), timer.scheduled_at),
        };
        let incident = incident.with_detail(format!("{who}, by {late:.1?}"));
        match location {
            Some(location) => incident.with_location(location),
            None => incident,
        }
    }
}
