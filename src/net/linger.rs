//! Closing a socket with unread input.
//!
//! The kernel answers that with a reset, and a peer that gets it may lose the reply that was sent just before. So our
//! side is ended first, what the peer still sends is received and thrown away, and the socket is closed when the peer
//! has ended its side too, or when it has sent or waited too long.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use crate::constants::{LINGER_BYTES, LINGER_TIME};
use crate::event_loop::{LoopHandle, TimerHandle};
use crate::executor::Entry;
use crate::net::conduit::Conduit;
use crate::reactor::{Again, Direction, Registration, Source};

/// How many receives one turn makes at the most.
const RECEIVES_PER_TURN: usize = 4;

/// A connection that its protocol is done with.
pub(crate) struct Lingering {
    this: Weak<Lingering>,
    event_loop: LoopHandle,
    registration: Registration,
    /// `None` once closed.
    conduit: RefCell<Option<Rc<dyn Conduit>>>,
    /// How many more bytes are received.
    left: Cell<usize>,
    timer: Cell<Option<TimerHandle>>,
}

/// What throwing away found.
enum Discarded {
    Some,
    /// There was nothing.
    Nothing,
    /// No more comes, or no more is received.
    End,
}

impl Lingering {
    /// Closes a conduit that is watched under `registration`: at once if there is no unread input, else in the
    /// background. Gives back the source that was watched.
    pub(crate) fn close(
        event_loop: &LoopHandle,
        registration: &Registration,
        conduit: Rc<dyn Conduit>,
    ) -> Option<Rc<dyn Source>> {
        let reactor = &event_loop.core().reactor;
        let lingering = Rc::new_cyclic(|this| Lingering {
            this: this.clone(),
            event_loop: event_loop.clone(),
            registration: Registration::unready(),
            conduit: RefCell::new(Some(conduit)),
            left: Cell::new(LINGER_BYTES),
            timer: Cell::new(None),
        });
        match lingering.discard() {
            Discarded::Nothing | Discarded::End => reactor.unwatch(registration),
            Discarded::Some => {
                let earlier = reactor.hand_over(registration, lingering.clone());
                lingering.begin();
                earlier
            }
        }
    }

    fn begin(&self) {
        let conduit = self.conduit.borrow().clone();
        if let Some(Err(error)) = conduit.map(|conduit| conduit.shutdown_write()) {
            log::debug!("the end of the stream could not be sent: {error}");
        }
        let this = self.this.clone();
        let timer = self.event_loop.call_later(LINGER_TIME, move || {
            if let Some(lingering) = this.upgrade() {
                lingering.finish();
            }
        });
        self.timer.set(Some(timer));
        if self.registration.want(Direction::Read) {
            if let Some(lingering) = self.this.upgrade() {
                self.event_loop.core().executor.ready.push(Entry::Io(lingering, Direction::Read));
            }
        }
    }

    fn discard(&self) -> Discarded {
        let conduit = self.conduit.borrow();
        let Some(conduit) = &*conduit else { return Discarded::End };
        let mut loan = self.event_loop.core().buffers.lend();
        match conduit.recv(&mut loan.memory) {
            Ok(0) => Discarded::End,
            Ok(n) => {
                self.left.set(self.left.get().saturating_sub(n));
                if self.left.get() == 0 { Discarded::End } else { Discarded::Some }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Discarded::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Discarded::Some,
            Err(_) => Discarded::End,
        }
    }

    fn finish(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        let source = self.event_loop.core().reactor.unwatch(&self.registration);
        let conduit = self.conduit.take();
        drop((conduit, source));
    }
}

impl Source for Lingering {
    fn registration(&self) -> &Registration {
        &self.registration
    }

    fn ready(&self, _direction: Direction) -> Again {
        for _ in 0..RECEIVES_PER_TURN {
            match self.discard() {
                Discarded::Some => {}
                Discarded::Nothing => {
                    self.registration.exhausted(Direction::Read);
                    return Again::No;
                }
                Discarded::End => {
                    self.finish();
                    return Again::No;
                }
            }
        }
        Again::NextTurn
    }

    fn let_go(&self) {
        drop(self.timer.take());
        drop(self.conduit.take());
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lingering").field("left", &self.left.get()).finish_non_exhaustive()
    }
}
