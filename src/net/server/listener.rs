//! A listening socket: it accepts, and hands what it accepted to its server.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use socket2::Socket;

use crate::constants::ACCEPT_REST;
use crate::event_loop::{Incident, LoopHandle, TimerHandle};
use crate::interface::Address;
use crate::net::connection::Names;
use crate::net::connection::{Acceptor, Conduit};
use crate::net::server::ServerState;
use crate::reactor::{Again, Direction, Registration, Source};

pub(crate) struct Listener {
    this: Weak<Listener>,
    event_loop: LoopHandle,
    registration: Registration,
    /// `None` once closed.
    acceptor: RefCell<Option<Box<dyn Acceptor>>>,
    server: Rc<ServerState>,
    sockname: Option<Rc<Address>>,
    /// How many connections are accepted in one turn at the most.
    budget: u32,
    /// Runs while the listener rests, after `accept` failed for want of something.
    rest: Cell<Option<TimerHandle>>,
    /// Whether the shortage that makes it rest was reported. It lasts over many rests, and is over when nobody waits
    /// any more: a connection accepted now and then, as one ends, is not the end of it.
    short: Cell<bool>,
}

/// What an error of `accept` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Nothing is there to accept.
    Nothing,
    /// Only that one connection failed, or is gone already: the next may do.
    Skip,
    /// Descriptors or memory ran out, or the listener itself is broken: the next attempt would fail too.
    Rest,
}

impl Listener {
    /// Accepts for `server` from now on, until closed.
    ///
    /// # Errors
    ///
    /// If the selector refuses the descriptor. The socket is closed then.
    pub(crate) fn start(
        event_loop: &LoopHandle,
        acceptor: Box<dyn Acceptor>,
        server: &Rc<ServerState>,
        budget: u32,
    ) -> io::Result<Rc<Listener>> {
        let fd = acceptor.fd();
        let listener = Rc::new_cyclic(|this| Listener {
            this: this.clone(),
            event_loop: event_loop.clone(),
            registration: Registration::unready(),
            sockname: acceptor.sockname().map(Rc::new),
            acceptor: RefCell::new(Some(acceptor)),
            server: Rc::clone(server),
            budget,
            rest: Cell::new(None),
            short: Cell::new(false),
        });
        event_loop.watch(fd, listener.clone())?;
        listener.accept_again();
        Ok(listener)
    }

    pub(crate) fn sockname(&self) -> Option<&Address> {
        self.sockname.as_deref()
    }

    pub(crate) fn try_clone(&self) -> io::Result<Socket> {
        match &*self.acceptor.borrow() {
            Some(acceptor) => acceptor.try_clone(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Closes the socket. Connections that wait in the kernel are reset by it.
    pub(crate) fn close(&self) {
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

    /// Accepts one connection. It is set up by a handle of its own, so that one whose protocol panics takes no other
    /// with it.
    fn accept_one(&self) -> Result<(), io::Error> {
        let (conduit, peer) = {
            let acceptor = self.acceptor.borrow();
            let Some(acceptor) = &*acceptor else { return Err(io::ErrorKind::WouldBlock.into()) };
            acceptor.accept()?
        };
        let names = Names { peer, local: self.name_of(&*conduit) };
        let server = Rc::clone(&self.server);
        self.event_loop.call_soon(move || server.set_up(conduit, names));
        Ok(())
    }

    /// The local name of an accepted connection: the listener's own, which spares a system call for each, unless
    /// that is every interface.
    fn name_of(&self, conduit: &dyn Conduit) -> Option<Rc<Address>> {
        match self.sockname.as_deref() {
            Some(Address::Inet(address)) if address.ip().is_unspecified() => conduit.sockname().map(Rc::new),
            _ => self.sockname.clone(),
        }
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
        // Last, for who hears of it may close this listener, which is to cancel the timer.
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

    fn ready(&self, _direction: Direction) -> Again {
        // At least one attempt, for a backlog of zero still lets one connection wait.
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
        self.server.close();
        self.close();
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local", &self.sockname).field("budget", &self.budget).finish()
    }
}

fn refusal(error: &io::Error) -> Refusal {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable,
        PermissionDenied, TimedOut, WouldBlock,
    };
    // EPROTO has no `ErrorKind`: its number on Linux, on Apple's systems and on the BSDs.
    const EPROTO: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
        71
    } else if cfg!(target_vendor = "apple") {
        100
    } else {
        92
    };
    match error.kind() {
        WouldBlock => Refusal::Nothing,
        // Linux gives the pending network errors of a new connection here, and EPERM where a firewall forbids it.
        Interrupted | ConnectionAborted | ConnectionReset | HostUnreachable | NetworkDown | NetworkUnreachable
        | PermissionDenied | TimedOut => Refusal::Skip,
        _ if error.raw_os_error() == Some(EPROTO) => Refusal::Skip,
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
        // EMFILE and ENFILE have these numbers everywhere.
        for number in [24, 23] {
            assert_eq!(refusal(&io::Error::from_raw_os_error(number)), Refusal::Rest);
        }
    }
}
