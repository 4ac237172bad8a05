//! The work that a server gets.

use super::Effort;
use crate::children::Outcome;
use crate::load::{Found, Plan, Style, Until};
use crate::servers::Peer;
use crate::subject::Subject;
use crate::wire::App;

/// How often a measurement is made at most, if it is disturbed.
const TRIES: usize = 3;

#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) app: App,
    pub(super) style: Style,
    pub(super) connections: usize,
    pub(super) size: usize,
    pub(super) depth: usize,
}

impl Scenario {
    pub(super) const fn new(name: &'static str, app: App, connections: usize, size: usize, depth: usize) -> Scenario {
        Scenario { name, app, style: Style::Keep, connections, size, depth }
    }

    pub(super) const fn churn(name: &'static str, connections: usize) -> Scenario {
        Scenario { name, app: App::Echo, style: Style::Churn, connections, size: 64, depth: 1 }
    }

    /// Runs the scenario on a running server.
    pub(super) fn load(&self, subject: &Subject, until: Until) -> Outcome<Found> {
        let Scenario { app, style, connections, size, depth, .. } = *self;
        let plan = Plan { address: subject.address, server: subject.id(), app, style, connections, size, depth, until };
        let found = plan.run();
        if found.is_err() && std::fs::read_link(format!("/proc/{}/exe", subject.id())).is_err() {
            return Err("the server ended".to_owned());
        }
        found
    }

    /// Runs the scenario on a new server. If another program disturbed the measurement, it is repeated, and the least
    /// disturbed one counts.
    pub(super) fn measure(&self, effort: &Effort, peer: &str, window: u64) -> Outcome<Found> {
        let once = || {
            let subject = Subject::start(Peer::of(peer), self.app, &[])?;
            self.load(&subject, Until::Milliseconds(window))
        };
        let mut best = once()?;
        for _ in 1..TRIES {
            if best.is_undisturbed() || !effort.may_repeat() {
                break;
            }
            let next = once()?;
            if next.disturbed * best.nanoseconds < best.disturbed * next.nanoseconds {
                best = next;
            }
        }
        if !best.is_undisturbed() {
            effort.disturbed.set(effort.disturbed.get() + 1);
        }
        Ok(best)
    }
}
