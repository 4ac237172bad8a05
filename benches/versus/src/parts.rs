//! The parts that can be measured. Each part adds its figures to the report.

mod counts;
mod footprint;
mod growth;
mod http;
mod idle;
mod net;
mod scenario;
mod tasks;
mod tls;
mod tools;
mod totals;

pub(crate) use idle::hold;

use std::cell::Cell;

use crate::report::Report;
use crate::servers::{EVERY_ROUND, PEERS, Peer};
use crate::subject::missing;
use crate::wire::App;

pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) explanation: &'static str,
    pub(crate) run: fn(&Effort, &mut Report),
}

/// How long a run may take, and which peers take part.
pub(crate) struct Effort {
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
    /// The duration of one measurement over a socket, in milliseconds.
    pub(crate) window: u64,
    pub(crate) peers: Vec<&'static Peer>,
    /// How many measurements of a part were repeated because another program had disturbed them, and how many of the
    /// final ones are still disturbed.
    pub(crate) repeated: Cell<usize>,
    pub(crate) disturbed: Cell<usize>,
}

/// The most repetitions in a part. If more measurements are disturbed, repeating them does not help.
const MOST_REPEATED: usize = 100;

/// All parts, in the order in which they run and are shown.
pub(crate) const PARTS: &[Part] = &[
    net::PART,
    counts::PART,
    growth::PART,
    idle::PART,
    tasks::PART,
    tls::PART,
    http::PART,
    footprint::PART,
    tools::PART,
];

impl Effort {
    pub(crate) fn full() -> Effort {
        Effort {
            quick: false,
            rounds: 9,
            window: 150,
            peers: PEERS.iter().collect(),
            repeated: Cell::new(0),
            disturbed: Cell::new(0),
        }
    }

    /// waterwheel, tokio and epoll.
    pub(crate) fn quick() -> Effort {
        let peers = EVERY_ROUND.iter().map(|name| Peer::of(name)).collect();
        Effort { quick: true, rounds: 5, window: 100, peers, repeated: Cell::new(0), disturbed: Cell::new(0) }
    }

    /// Whether to repeat a disturbed measurement, which is then counted.
    fn may_repeat(&self) -> bool {
        let may = self.repeated.get() < MOST_REPEATED;
        self.repeated.set(self.repeated.get() + usize::from(may));
        may
    }

    /// The peers that can be measured and have a server for `app`.
    fn candidates(&self, app: App) -> Vec<&'static str> {
        let able = self.peers.iter().filter(|peer| peer.serves(app) && missing(peer).is_none());
        able.map(|peer| peer.name).collect()
    }
}
