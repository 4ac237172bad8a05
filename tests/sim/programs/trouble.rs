//! What else goes wrong between the hosts of a program, in addition to the network's faults: the hosts are
//! partitioned, and the server's host crashes and comes back.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{Promise, sleep};

use super::dice::Dice;
use super::ledger::{Direction, Ending};

/// How long a client waits for a server that crashed and may crash twice more. By then the network has given up all
/// undelivered bytes, which it does after 15 minutes.
const PATIENCE: Duration = Duration::from_secs(3 * 3600);

/// Longer than the network tries to deliver bytes to a host.
const LONG: Duration = Duration::from_secs(20 * 60);

/// How far a client has got with its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    /// The server does not know of it yet.
    Before,
    /// The client is connecting. If the server crashes now, the connection may be with the host that crashed or with
    /// the host that came back, and the client does not know which.
    Connecting,
    /// The client is connected. A crash ends this connection.
    Connected,
}

/// A conversation with the server, and what a crash of its host does to it.
pub(super) struct Fate {
    to_server: Rc<Direction>,
    to_client: Rc<Direction>,
    stage: Cell<Stage>,
    crashed: Promise<()>,
    /// How much the client had written when the server was back from its latest crash.
    written_before: Cell<usize>,
}

impl Fate {
    pub(super) fn new(to_server: &Rc<Direction>, to_client: &Rc<Direction>) -> Rc<Fate> {
        Rc::new(Fate {
            to_server: Rc::clone(to_server),
            to_client: Rc::clone(to_client),
            stage: Cell::new(Stage::Before),
            crashed: Promise::new(),
            written_before: Cell::new(0),
        })
    }

    pub(super) fn connecting(&self) {
        self.stage.set(Stage::Connecting);
    }

    pub(super) fn connected(&self) {
        self.stage.set(Stage::Connected);
    }

    /// Waits until a client has waited long enough for a server that crashed. An idle client learns nothing of the
    /// crash, but one that has sent something, or still wants to, must have learned of it by then.
    pub(super) async fn is_given_up(&self) {
        self.crashed.wait().await;
        sleep(PATIENCE).await;
        if self.stage.get() != Stage::Connected {
            return;
        }
        assert!(self.to_server.has_ended(), "a writer waits for ever for a host that crashed and came back");
        let written = self.to_server.written() - self.written_before.get();
        assert_eq!(written, 0, "bytes sent to a host that crashed and came back were not answered at all");
    }

    /// The server's host crashes, before anything else runs there: it sends no end, and receives nothing more.
    fn crash(&self) {
        if self.stage.get() == Stage::Connected {
            self.to_client.end(Ending::Crashed);
            self.to_server.stop_hearing();
        }
        if self.stage.get() >= Stage::Connecting {
            let _again = self.crashed.set(());
        }
    }

    fn server_is_back(&self) {
        self.written_before.set(self.to_server.written());
    }
}

/// The conversations of a program with its server.
#[derive(Clone, Default)]
pub(super) struct Fates(Rc<RefCell<Vec<Rc<Fate>>>>);

impl Fates {
    pub(super) fn add(&self, fate: &Rc<Fate>) {
        self.0.borrow_mut().push(Rc::clone(fate));
    }

    fn for_each(&self, what: impl Fn(&Fate)) {
        let all = self.0.borrow().clone();
        all.iter().for_each(|fate| what(fate));
    }

    /// In how many conversations the server crashed before it had ended its side.
    pub(super) fn broken_off(&self) -> usize {
        self.0.borrow().iter().filter(|fate| fate.to_client.has_crashed()).count()
    }
}

/// Now and then partitions the hosts for a while, or crashes the server and starts it again.
pub(super) async fn trouble(dice: &Dice, fates: &Fates) {
    for _ in 0..dice.below(4) {
        sleep(dice.time() * dice.below(10) as u32).await;
        if dice.once_in(2) {
            dice.0.partition("client", "server");
            sleep(dice.time()).await;
            dice.0.heal("client", "server");
        } else {
            fates.for_each(Fate::crash);
            dice.0.crash("server");
            sleep(if dice.once_in(8) { LONG } else { dice.time() }).await;
            dice.0.start("server");
            fates.for_each(Fate::server_is_back);
        }
    }
}
