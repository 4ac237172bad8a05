//! One connection, what is done to it, and the model of what may come of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use waterwheel::network::Conduit;
use waterwheel::{Connection, open_connection, yield_now};

use super::happened::Happened;
use super::sides::Side;
use super::wait::{PATIENCE, Wait};
use crate::common::memory::End;
use crate::dribble::Random;
use crate::dribbling::{Dribbling, Seen};

/// How a connection is broken by what was done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    No,
    /// A send failed. The other direction goes on.
    Outwards,
    /// The peer has reset the connection, or we have aborted it.
    BothWays,
}

pub(super) struct Scene<'a, S> {
    pub(super) network: &'a Dribbling,
    pub(super) seen: Rc<Seen>,
    pub(super) random: Random,
    pub(super) side: S,
    pub(super) peer: Option<End>,
    pub(super) pattern: &'a [u8],
    pub(super) happened: Happened,
    pub(super) reading: Wait,
    pub(super) writing: Wait,
    pub(super) flushing: Wait,
    /// Counts of the peer's bytes.
    pub(super) said: usize,
    pub(super) read: usize,
    pub(super) peer_has_ended: bool,
    /// Counts of our bytes.
    pub(super) written: usize,
    pub(super) written_in_earlier_steps: usize,
    pub(super) heard: usize,
    /// We have ended our side.
    pub(super) has_ended: bool,
    /// Whether a write may wait although no more is unsent than the low-water mark: only if the high-water mark was
    /// passed since the last time that everything was sent.
    pub(super) may_wait: bool,
    pub(super) broken: Broken,
    pub(super) turns_since_broken: usize,
    pub(super) turns_since_noticed: usize,
    pub(super) turns_without_sending: usize,
    pub(super) sent_before: usize,
}

impl<'a, S: Side> Scene<'a, S> {
    pub(super) async fn set(network: &'a Dribbling, pattern: &'a [u8], seed: u64) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let listener = network.memory().listen(address);
        let connection = open_connection(address).await?;
        Ok(Scene {
            network,
            seen: network.first_connection(),
            random: Random::new(seed ^ 0x5eed),
            side: S::over(Connection::from(connection)),
            peer: Some(listener.next()),
            pattern,
            happened: Happened::default(),
            reading: Wait::of("a read"),
            writing: Wait::of("a write"),
            flushing: Wait::of("a flush"),
            said: 0,
            read: 0,
            peer_has_ended: false,
            written: 0,
            written_in_earlier_steps: 0,
            heard: 0,
            has_ended: false,
            may_wait: false,
            broken: Broken::No,
            turns_since_broken: 0,
            turns_since_noticed: 0,
            turns_without_sending: 0,
            sent_before: 0,
        })
    }

    /// The bytes of either direction, from a position on.
    pub(super) fn bytes(&self, at: usize, len: usize) -> &'a [u8] {
        &self.pattern[at % 65_521..][..len]
    }

    pub(super) async fn operate(&mut self) {
        self.happened.operations += 1;
        match self.random.below(100) {
            0..22 => self.poll_read(),
            22..30 if S::LENDS => self.poll_lend(),
            22..30 => self.poll_read(),
            30..48 => self.poll_write(),
            48..52 => self.poll_write_vectored(),
            52..58 => self.poll_flush(),
            58..74 => self.peer_says(),
            74..90 => self.peer_hears(),
            90..93 => self.network.stall(!self.network.is_stalled()),
            93..96 => self.drop_a_wait(),
            96 => return self.rest().await,
            _ => self.operate_seldom(),
        }
        if self.random.below(3) > 0 {
            self.turn().await;
        }
    }

    fn operate_seldom(&mut self) {
        match self.random.below(60) {
            0..4 => self.end_our_side(),
            4..7 => self.peer_ends(),
            7 => self.peer_resets(),
            8 => self.abort(),
            9 => self.fail_sends(),
            _ => self.poll_flush(),
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken != Broken::No || self.seen.send_failed.get()
    }

    fn peer_says(&mut self) {
        let len = self.random.size();
        let data = self.bytes(self.said, len);
        if let (Some(peer), false) = (&self.peer, self.peer_has_ended) {
            self.said += peer.send(data).unwrap_or(0);
        }
    }

    fn peer_hears(&mut self) {
        let mut buf = vec![0; self.random.size() * 2];
        let Some(Ok(n)) = self.peer.as_ref().map(|peer| peer.recv(&mut buf)) else { return };
        assert!(buf[..n] == *self.bytes(self.heard, n), "the peer got other bytes than were written");
        self.heard += n;
        if n == 0 {
            assert!(self.has_ended || self.is_broken(), "the peer was told an end that is none");
            assert!(self.heard == self.written || self.is_broken(), "the end came before the last byte");
        }
    }

    pub(super) fn peer_ends(&mut self) {
        if let (Some(peer), false) = (&self.peer, self.peer_has_ended) {
            self.happened.peer_ended += 1;
            self.peer_has_ended = true;
            peer.shutdown_write().expect("the peer can end its side");
        }
    }

    fn break_it(&mut self) -> usize {
        usize::from(std::mem::replace(&mut self.broken, Broken::BothWays) != Broken::BothWays)
    }

    fn peer_resets(&mut self) {
        if let Some(peer) = self.peer.take() {
            self.happened.peer_reset += self.break_it();
            peer.reset_on_close();
        }
    }

    fn abort(&mut self) {
        self.happened.aborted += self.break_it();
        self.side.connection().writer.abort();
    }

    fn fail_sends(&mut self) {
        self.seen.fails.set(true);
    }

    fn drop_a_wait(&mut self) {
        self.happened.waits_dropped += 1;
        match self.random.below(3) {
            0 => self.reading.forget(),
            1 => self.writing.forget(),
            _ => self.flushing.forget(),
        }
    }

    /// For a while no operation is polled, and the peer takes everything: a task that waits for that must be woken.
    async fn rest(&mut self) {
        self.network.stall(false);
        for _ in 0..2 * PATIENCE {
            self.peer_hears();
            self.turn().await;
        }
    }

    /// Lets a turn pass, and checks that no wait that can go on is left asleep.
    pub(super) async fn turn(&mut self) {
        yield_now().await;
        self.written_in_earlier_steps = self.written;
        if self.seen.send_failed.get() && self.broken == Broken::No {
            self.broken = Broken::Outwards;
            self.happened.sends_failed += 1;
        }
        let (low, high) = self.side.connection().writer.transport().get_write_buffer_limits();
        self.may_wait = self.unsent() > 0 && (self.may_wait || self.unsent() > high);
        let is_moving = !self.network.is_stalled();
        let is_broken = self.is_broken();
        let is_cut = self.broken == Broken::BothWays;
        self.turns_since_broken += usize::from(is_broken && is_moving);
        // The next attempt to receive or to send notices that the peer is gone.
        let is_noticed = self.seen.send_failed.get() || self.seen.dropped.get();
        self.turns_since_noticed += usize::from(is_noticed);
        self.reading.turn(is_moving && (self.said > self.read || self.peer_has_ended || is_cut));
        let was_flushing = self.flushing.waits();
        let has_room = self.peer.is_some() && self.seen.sent.get() - self.heard < crate::common::memory::ROOM;
        let may_be_refused = self.unsent() == 0 && self.seen.is_full.get() && !(has_room && is_moving);
        let is_sent = self.unsent() <= if was_flushing || self.may_wait { 0 } else { low };
        self.writing.turn(is_broken || is_sent && !may_be_refused);
        self.flushing.turn(is_broken || self.unsent() == 0);
        let stays = std::mem::replace(&mut self.sent_before, self.seen.sent.get()) == self.seen.sent.get();
        let should_send = stays && is_moving && has_room && self.unsent() > 0 && !is_broken;
        self.turns_without_sending = if should_send { self.turns_without_sending + 1 } else { 0 };
        assert!(self.turns_without_sending < PATIENCE, "{} bytes could be sent and are not", self.unsent());
    }

    /// Ends both sides. Each gets everything that the other has sent.
    pub(super) async fn finish(&mut self) {
        self.network.stall(false);
        self.end_our_side();
        self.peer_ends();
        let mut is_read = false;
        for _ in 0..100_000 {
            let is_sent = self.heard == self.written && self.seen.ended.get() && !self.flushing.waits();
            let is_cut = self.broken == Broken::BothWays && self.turns_since_broken > 100;
            if is_cut || is_read && (is_sent || self.is_broken()) {
                return;
            }
            if !self.reading.waits() {
                self.poll_read();
                is_read = self.read == self.said && self.seen.input_is_over.get();
            }
            if !self.flushing.waits() {
                self.poll_flush();
            }
            self.peer_hears();
            self.turn().await;
        }
        panic!("it does not end: {} of {} read, {} of {} heard", self.read, self.said, self.heard, self.written);
    }
}
