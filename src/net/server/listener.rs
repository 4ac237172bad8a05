//! A listening socket. It accepts connections and hands them to its host, which is a server.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use crate::constants::ACCEPT_REST;
use crate::event_loop::{Incident, LoopHandle, TimerHandle};
use crate::net::connection::{Connected, labelled};
use crate::net::port::Acceptor;
use crate::reactor::{Again, Direction, Registration, Source};

/// The owner of a listener, for which it accepts connections.
pub(super) trait Host {
    /// Takes an accepted connection. Called from a turn.
    fn set_up(&self, connection: Connected);

    /// The loop is closing, and the listener with it.
    fn loop_closed(&self);
}

pub(super) struct Listener {
    this: Weak<Listener>,
    event_loop: LoopHandle,
    registration: Registration,
    /// `None` once closed.
    acceptor: RefCell<Option<Box<dyn Acceptor>>>,
    host: Rc<dyn Host>,
    /// One turn accepts at most one more connection than this.
    budget: u32,
    /// Runs while the listener rests, after `accept` failed with a [`Refusal::Rest`].
    rest: Cell<Option<TimerHandle>>,
    /// Whether the shortage that makes the listener rest was reported. A shortage is over when no connection waits any
    /// more. It is not over if one is accepted now and then because another one has ended.
    short: Cell<bool>,
}

/// What an error of `accept` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// There is nothing to accept.
    Nothing,
    /// Only that one connection failed, or has ended already. The next attempt may succeed.
    Skip,
    /// Descriptors or memory have run out, or the listener itself is broken. The next attempt would fail too.
    Rest,
}

impl Listener {
    /// Accepts for `host` from now on, until closed.
    ///
    /// # Errors
    ///
    /// If the selector refuses the descriptor. The socket is closed then.
    pub(super) fn start(
        event_loop: &LoopHandle,
        acceptor: Box<dyn Acceptor>,
        host: Rc<dyn Host>,
        budget: u32,
    ) -> io::Result<Rc<Listener>> {
        let fd = acceptor.fd();
        let listener = Rc::new_cyclic(|this| Listener {
            this: this.clone(),
            event_loop: event_loop.clone(),
            registration: Registration::unready(),
            acceptor: RefCell::new(Some(acceptor)),
            host,
            budget,
            rest: Cell::new(None),
            short: Cell::new(false),
        });
        event_loop.watch(fd, listener.clone())?;
        listener.accept_again();
        Ok(listener)
    }

    /// Calls with the acceptor; `None` once it is closed.
    pub(super) fn with_acceptor<R>(&self, look: impl FnOnce(&dyn Acceptor) -> R) -> Option<R> {
        self.acceptor.borrow().as_deref().map(look)
    }

    /// Closes the socket, which resets the connections that wait in the kernel.
    pub(super) fn close(&self) {
        if let Some(timer) = self.rest.take() {
            timer.cancel();
        }
        self.registration.want_nothing();
        let source = self.event_loop.core().reactor.unwatch(&self.registration);
        let acceptor = self.acceptor.take();
        drop((acceptor, source));
    }

    fn accept_again(&self) {
        self.event_loop.core().want(&self.this, Direction::Read);
    }

    /// Accepts one connection. A separate callback sets it up, so that a protocol that panics does no harm to other
    /// connections.
    fn accept_one(&self) -> io::Result<()> {
        let accepted = self.with_acceptor(|acceptor| acceptor.accept());
        let connection = accepted.unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))?;
        let host = Rc::clone(&self.host);
        self.event_loop.call_soon(move || host.set_up(connection));
        Ok(())
    }

    #[cold]
    fn rest(&self, error: io::Error) {
        self.registration.unwant(Direction::Read);
        let this = self.this.clone();
        let timer = self.event_loop.call_later(ACCEPT_REST, move || {
            if let Some(listener) = this.upgrade() {
                listener.rest.take();
                listener.accept_again();
            }
        });
        self.rest.set(Some(timer));
        // Last, since the exception handler may close this listener, and that has to cancel the timer.
        if !self.short.replace(true) {
            let incident = Incident::new("A server cannot accept connections, and tries again every second");
            self.event_loop.core().report(&incident.with_error(error).with_source(self));
        }
    }
}

impl Source for Listener {
    fn registration(&self) -> &Registration {
        &self.registration
    }

    fn on_ready(&self, _direction: Direction) -> Again {
        // One attempt more than the budget, since even with a backlog of zero one connection may wait.
        for _ in 0..=self.budget {
            let Err(error) = self.accept_one() else { continue };
            match refusal(&error) {
                Refusal::Skip => log::debug!("a connection could not be accepted: {error}"),
                Refusal::Nothing => {
                    self.short.set(false);
                    self.registration.exhausted(Direction::Read);
                    return Again::No;
                }
                Refusal::Rest => {
                    self.rest(error);
                    return Again::No;
                }
            }
        }
        Again::NextTurn
    }

    fn let_go(&self) {
        self.host.loop_closed();
        self.close();
    }

    fn label(&self) -> String {
        labelled("listener", self.with_acceptor(|acceptor| acceptor.sockname()).flatten().as_ref())
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sockname = self.with_acceptor(|acceptor| acceptor.sockname()).flatten();
        f.debug_struct("Listener").field("local", &sockname).field("budget", &self.budget).finish()
    }
}

fn refusal(error: &io::Error) -> Refusal {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
        PermissionDenied, TimedOut, WouldBlock,
    };
    match error.kind() {
        WouldBlock => Refusal::Nothing,
        // On Linux, `accept` returns errors that are already pending on the new connection, and EPERM if a firewall
        // forbids it.
        Interrupted | ConnectionAborted | ConnectionReset | HostUnreachable | NetworkDown | NetworkUnreachable
        | PermissionDenied | TimedOut => Refusal::Skip,
        // EPROTO has no `ErrorKind`.
        _ if error.raw_os_error() == Some(libc::EPROTO) => Refusal::Skip,
        _ => Refusal::Rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_fail_again_makes_the_listener_rest() {
        for (kind, expected) in [
            (io::ErrorKind::WouldBlock, Refusal::Nothing),
            (io::ErrorKind::ConnectionAborted, Refusal::Skip),
            (io::ErrorKind::Interrupted, Refusal::Skip),
            (io::ErrorKind::OutOfMemory, Refusal::Rest),
        ] {
            assert_eq!(refusal(&kind.into()), expected, "{kind:?}");
        }
        for number in [libc::EMFILE, libc::ENFILE] {
            assert_eq!(refusal(&io::Error::from_raw_os_error(number)), Refusal::Rest);
        }
    }
}
