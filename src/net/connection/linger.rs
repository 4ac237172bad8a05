//! The end of a connection whose peer has not ended its side.
//!
//! The kernel answers input for a closed socket with a reset, and a peer that receives a reset may lose the reply that
//! was sent to it just before. So after our side has ended, the peer's bytes are received and thrown away. The socket
//! is closed when the peer has ended its side, has sent too much, has sent nothing for too long, or has gone on for
//! too long.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};
use std::time::Instant;

use crate::constants::{LINGER_BYTES, LINGER_MOST, LINGER_TIME};
use crate::event_loop::{LoopHandle, TimerHandle};
use crate::net::connection::clients::{Attachment, LingeringAttachment};
use crate::net::connection::conduit::Conduit;
use crate::reactor::{Again, Direction, Registration, Source};

/// At most this many receives are made in one turn.
const RECEIVES_PER_TURN: usize = 4;

/// A connection that its protocol has lost, and whose outgoing side has ended.
pub(crate) struct Lingering {
    this: Weak<Lingering>,
    event_loop: LoopHandle,
    registration: Registration,
    /// `None` once closed.
    conduit: RefCell<Option<Rc<dyn Conduit>>>,
    /// At most this many more bytes are received.
    left: Cell<usize>,
    /// When the last bytes came, or when the lingering began.
    quiet_since: Cell<Instant>,
    /// When the socket is closed, even if bytes still come.
    longest: Instant,
    /// Runs until the socket is closed.
    timer: Cell<Option<TimerHandle>>,
    /// The server that accepted the connection counts it until the socket is closed.
    attachment: Cell<Option<LingeringAttachment>>,
}

/// What one receive found.
enum Discarded {
    Some,
    /// There was nothing.
    Nothing,
    /// The peer has ended its side, or has sent too much.
    End,
}

impl Lingering {
    /// Takes over a conduit that is watched under `registration`. Returns the source that watched it before.
    pub(crate) fn begin(
        event_loop: &LoopHandle,
        registration: &Registration,
        conduit: Rc<dyn Conduit>,
        attachment: Option<Attachment>,
    ) -> Option<Rc<dyn Source>> {
        let now = event_loop.time();
        let lingering = Rc::new_cyclic(|this| Lingering {
            this: this.clone(),
            event_loop: event_loop.clone(),
            registration: Registration::unready(),
            conduit: RefCell::new(Some(conduit)),
            left: Cell::new(LINGER_BYTES),
            quiet_since: Cell::new(now),
            longest: now + LINGER_MOST,
            timer: Cell::new(None),
            attachment: Cell::new(None),
        });
        let source: Rc<dyn Source> = lingering.clone();
        lingering.attachment.set(attachment.map(|attachment| attachment.linger(&source)));
        let earlier = event_loop.core().reactor.hand_over(registration, source);
        lingering.close_when_quiet();
        event_loop.core().want(&lingering.this, Direction::Read);
        earlier
    }

    /// Closes the socket when nothing has come for too long, or when lingering has gone on for too long. Setting the
    /// timer anew for each receive would be expensive. Instead, when the timer is due, its callback checks when the
    /// last bytes came, and sets it anew if they are recent.
    fn close_when_quiet(&self) {
        let (this, end) = (self.this.clone(), self.end());
        let timer = self.event_loop.call_at(end, move || {
            let Some(lingering) = this.upgrade() else { return };
            if lingering.end() > end {
                lingering.close_when_quiet();
            } else {
                lingering.finish();
            }
        });
        self.timer.set(Some(timer));
    }

    /// When the socket is closed if nothing more comes.
    fn end(&self) -> Instant {
        (self.quiet_since.get() + LINGER_TIME).min(self.longest)
    }

    fn discard(&self) -> Discarded {
        let conduit = self.conduit.borrow();
        let Some(conduit) = &*conduit else { return Discarded::End };
        let mut loan = self.event_loop.core().buffers.lend();
        match conduit.recv(&mut loan.memory) {
            Ok(0) => Discarded::End,
            Ok(n) => {
                self.event_loop.core().counters.bytes_received.add(n);
                self.quiet_since.set(self.event_loop.time());
                self.left.set(self.left.get().saturating_sub(n));
                if self.left.get() == 0 { Discarded::End } else { Discarded::Some }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Discarded::Nothing,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Discarded::Some,
            Err(_) => Discarded::End,
        }
    }

    fn finish(&self) {
        self.registration.want_nothing();
        let source = self.event_loop.core().reactor.unwatch(&self.registration);
        self.let_go();
        drop(source);
    }
}

impl Source for Lingering {
    fn registration(&self) -> &Registration {
        &self.registration
    }

    fn on_ready(&self, _direction: Direction) -> Again {
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
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        drop(self.conduit.take());
        // Last, since the server may hear of the end only when the socket is closed.
        drop(self.attachment.take());
    }

    fn label(&self) -> String {
        "lingering connection".to_owned()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lingering").field("left", &self.left.get()).finish_non_exhaustive()
    }
}
