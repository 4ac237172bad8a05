//! Programs of transports and protocols: callbacks on both ends perform random operations, and each protocol checks
//! the order of its callbacks.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::time::Duration;

use waterwheel::sim::{Failure, Sim};
use waterwheel::{AfterEof, ConnectionError, Promise, Protocol, Transport, get_running_loop, sleep, spawn};

use super::dice::Dice;
use super::ledger::{Direction, Ending};
use super::network::watch;
use super::trouble::{Fate, Fates, trouble};
use super::wires::Wires;
use super::{MOST_EVENTS, faults_of, nothing_is_left};

/// How many operations of its own a protocol performs.
const OPERATIONS: usize = 30;

pub(super) fn program(sim: &mut Sim) -> Result<(), Failure> {
    counted(sim).map(drop)
}

/// Runs the program. Returns the number of conversations that a crash of the server broke off.
pub(super) fn counted(sim: &mut Sim) -> Result<usize, Failure> {
    sim.set_faults(faults_of(sim.seed()));
    sim.event_limit(MOST_EVENTS);
    let (dice, may_fail) = (Dice(sim.handle()), sim.seed() % 3 == 2);
    let pairs: Rc<RefCell<Vec<Rc<Pair>>>> = Rc::default();
    let (accepted, all_pairs, fates) = (Rc::clone(&pairs), Rc::clone(&pairs), Fates::default());
    let known_fates = fates.clone();
    let wires = Wires::default();
    watch(sim, &wires);
    sim.host("server", move || {
        let accepted = Rc::clone(&accepted);
        async move {
            // The first byte of a connection tells which pair it belongs to.
            let factory = move || Peer::unknown(Rc::clone(&accepted));
            get_running_loop().create_server(factory, "0.0.0.0:7").await?.serve_forever().await
        }
    });
    sim.client("client", async move {
        sleep(Duration::from_millis(10)).await;
        let mut peers = Vec::new();
        let (spoiler, spoiled) = (dice.clone(), known_fates.clone());
        let troubles = may_fail.then(|| spawn(async move { trouble(&spoiler, &spoiled).await }));
        for number in 0..1 + dice.below(3) {
            let key = dice.0.random() as u32;
            let (to_server, to_client) = (Direction::new(key), Direction::new(!key));
            let fate = Fate::new(&to_server, &to_client);
            known_fates.add(&fate);
            let pair = Pair { dice: dice.clone(), may_fail, to_server, to_client, wires: wires.clone() };
            let pair = Rc::new(pair);
            pairs.borrow_mut().push(Rc::clone(&pair));
            let event_loop = get_running_loop();
            fate.connecting();
            match event_loop.create_connection(|| Peer::of(&pair, true), ("server", 7)).await {
                Ok((transport, peer)) => {
                    fate.connected();
                    wires.add_plain(transport.extra_info().sockname(), &pair.to_server, &pair.to_client);
                    transport.write(&[number as u8]);
                    peer.act_later();
                    peers.push(peer);
                }
                Err(error) => assert!(may_fail, "connecting failed: {error}"),
            }
        }
        wires.in_steps(act_together(&dice, &peers)).await;
        for peer in peers {
            peer.lost.wait().await;
        }
        if let Some(troubles) = troubles {
            troubles.await.expect("what panics is reported");
        }
        io::Result::Ok(())
    });
    sim.run()?;
    nothing_is_left(sim)?;
    for pair in &*all_pairs.borrow() {
        assert_eq!(Rc::strong_count(pair), 1, "a connection's protocol is still held, though it is lost");
    }
    Ok(fates.broken_off())
}

/// Makes several connections perform operations in one step.
async fn act_together(dice: &Dice, peers: &[Rc<Peer>]) {
    for _ in 0..dice.below(20) {
        sleep(dice.time()).await;
        for peer in peers.iter().filter(|peer| peer.life.get() != Life::Lost) {
            peer.act(false);
        }
    }
}

/// A connection, as both of its protocols know it.
struct Pair {
    dice: Dice,
    may_fail: bool,
    to_server: Rc<Direction>,
    to_client: Rc<Direction>,
    wires: Wires,
}

/// Which of its callbacks a protocol has received so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    New,
    Made,
    Ended,
    Lost,
}

struct Peer {
    pair: OnceCell<Rc<Pair>>,
    pairs: Option<Rc<RefCell<Vec<Rc<Pair>>>>>,
    is_client: bool,
    this: std::rc::Weak<Peer>,
    transport: OnceCell<Rc<dyn Transport>>,
    life: Cell<Life>,
    is_writing_paused: Cell<bool>,
    /// Its last offer was refused entirely, so it will be told to resume when there is room.
    was_refused: Cell<bool>,
    operations: Cell<usize>,
    lost: Promise<()>,
}

impl Peer {
    fn of(pair: &Rc<Pair>, is_client: bool) -> Rc<Peer> {
        Peer::new(OnceCell::from(Rc::clone(pair)), None, is_client)
    }

    fn unknown(pairs: Rc<RefCell<Vec<Rc<Pair>>>>) -> Rc<Peer> {
        Peer::new(OnceCell::new(), Some(pairs), false)
    }

    fn new(pair: OnceCell<Rc<Pair>>, pairs: Option<Rc<RefCell<Vec<Rc<Pair>>>>>, is_client: bool) -> Rc<Peer> {
        Rc::new_cyclic(|this| Peer {
            pair,
            pairs,
            is_client,
            this: this.clone(),
            transport: OnceCell::new(),
            life: Cell::new(Life::New),
            is_writing_paused: Cell::new(false),
            was_refused: Cell::new(false),
            operations: Cell::new(0),
            lost: Promise::new(),
        })
    }

    fn transport(&self) -> &Rc<dyn Transport> {
        self.transport.get().expect("the connection was made")
    }

    fn incoming(&self) -> Option<&Rc<Direction>> {
        self.pair.get().map(|pair| if self.is_client { &pair.to_client } else { &pair.to_server })
    }

    fn outgoing(&self) -> Option<&Rc<Direction>> {
        self.pair.get().map(|pair| if self.is_client { &pair.to_server } else { &pair.to_client })
    }

    /// Performs one operation after a while, and then the next.
    fn act_later(&self) {
        let Some(pair) = self.pair.get() else { return };
        let this = self.this.clone();
        get_running_loop().call_later(pair.dice.time(), move || {
            if let Some(peer) = this.upgrade().filter(|peer| peer.life.get() != Life::Lost) {
                peer.pair.get().expect("it acts").wires.begin_step();
                peer.act(true);
            }
        });
    }

    /// Performs one operation. The last one is to close.
    fn act(&self, goes_on: bool) {
        let (Some(pair), Some(to)) = (self.pair.get(), self.outgoing()) else { return };
        let (dice, transport) = (&pair.dice, self.transport());
        let waits_for_nothing = self.is_writing_paused.get() && transport.get_write_buffer_size() == 0;
        let waits_for_room = self.was_refused.get() || transport.is_closing();
        assert!(!waits_for_nothing || waits_for_room, "writing is paused though all is sent");
        self.operations.set(self.operations.get() + 1);
        if self.operations.get() > OPERATIONS || dice.once_in(40) {
            self.incoming().expect("it has both").stop_hearing();
            transport.resume_reading();
            if dice.once_in(4) {
                to.end(Ending::Aborted);
                transport.abort();
            } else {
                to.end(Ending::InOrder);
                transport.close();
            }
            return;
        }
        let may_write = !transport.is_closing() && self.life.get() == Life::Made && !to.has_ended();
        match dice.below(10) {
            0..=3 if may_write => transport.write(&to.write(dice.size())),
            4 if may_write => {
                let pieces: Vec<Vec<u8>> = (0..dice.below(5)).map(|_| to.write(dice.size())).collect();
                let pieces: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
                transport.writelines(&pieces);
            }
            5 if may_write && dice.once_in(2) => {
                let bytes = to.next(dice.size());
                // `pause_writing` may be called from inside this call.
                self.was_refused.set(true);
                if let Some(sent) = transport.write_some(&[IoSlice::new(&bytes)]) {
                    to.wrote(sent);
                }
                self.was_refused.set(self.is_writing_paused.get());
            }
            5 => transport.pause_reading(),
            6 | 7 => transport.resume_reading(),
            8 => transport.set_write_buffer_limits(Some(dice.size()), None),
            9 if may_write && dice.once_in(5) => {
                to.end(Ending::InOrder);
                transport.write_eof();
            }
            _ => {}
        }
        if goes_on {
            self.act_later();
        }
    }

    /// Now and then performs an operation from inside a callback.
    fn react(&self) {
        if self.pair.get().is_some_and(|pair| pair.dice.once_in(4)) {
            self.act(false);
        }
    }

    fn is_alive(&self, told: &str) {
        assert!(matches!(self.life.get(), Life::Made | Life::Ended), "{told} came in the state {:?}", self.life.get());
    }
}

impl Protocol for Peer {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        assert_eq!(self.life.replace(Life::Made), Life::New);
        assert!(self.transport.set(transport).is_ok());
    }

    fn data_received(&self, mut data: &[u8]) {
        assert_eq!(self.life.get(), Life::Made, "data came");
        assert!(!data.is_empty());
        assert!(self.transport().is_reading(), "data came though reading is paused");
        if self.pair.get().is_none() {
            let pairs = self.pairs.as_ref().expect("it is a server's").borrow();
            let _first = self.pair.set(Rc::clone(&pairs[usize::from(data[0])]));
            data = &data[1..];
            self.act_later();
        }
        self.incoming().expect("the first byte came").receive(data);
        self.react();
    }

    fn eof_received(&self) -> AfterEof {
        assert_eq!(self.life.replace(Life::Ended), Life::Made, "the end came");
        if let Some(from) = self.incoming() {
            from.is_complete();
        }
        let Some(pair) = self.pair.get() else { return AfterEof::Close };
        if pair.dice.once_in(2) {
            return AfterEof::KeepOpen;
        }
        self.outgoing().expect("it has both").end(Ending::InOrder);
        AfterEof::Close
    }

    fn pause_writing(&self) {
        self.is_alive("pause_writing");
        assert!(!self.is_writing_paused.replace(true), "writing was paused twice");
        self.react();
    }

    fn resume_writing(&self) {
        self.is_alive("resume_writing");
        assert!(self.is_writing_paused.replace(false), "writing was resumed and was not paused");
        self.was_refused.set(false);
        self.react();
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.is_alive("connection_lost");
        self.life.set(Life::Lost);
        if let (Some(error), Some(pair)) = (&error, self.pair.get()) {
            let is_allowed = pair.may_fail || pair.to_client.may_fail() || pair.to_server.may_fail();
            assert!(is_allowed, "a connection failed that nobody failed: {error}");
        }
        if let Some(to) = self.outgoing() {
            assert!(error.is_some() || to.has_ended(), "a connection was lost without a reason that we have not ended");
            to.end(Ending::Aborted);
        }
        self.lost.set(()).expect("it is lost once");
    }
}
