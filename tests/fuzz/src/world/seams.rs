//! The connection as the loop sees it, through the crate's traits for a network, a conduit and a selector.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::network::{
    Acceptor, BindOptions, Conduit, Connected, DatagramConduit, DatagramOptions, Hints, Network, Pending,
};
use waterwheel::{Address, Bell, Events, LoopHandle, Readiness, Selector, Token};

use super::HERE;
use super::wire::{IncomingEnd, Wire};

const CONNECTION: RawFd = 1 << 20;
const LISTENER: RawFd = CONNECTION + 1;

/// Our end. Dropping it closes the connection.
struct End(Wire);

impl End {
    fn of(wire: &Wire) -> Connected {
        wire.0.is_gone.set(false);
        Connected::new(End(wire.clone()))
    }
}

impl Conduit for End {
    fn recv(&self, into: &mut [u8]) -> io::Result<usize> {
        let state = &*self.0.0;
        assert!(!into.is_empty(), "a receive has room");
        if self.0.is_interrupted() {
            return Err(ErrorKind::Interrupted.into());
        }
        let mut incoming = state.incoming.borrow_mut();
        if incoming.is_empty() {
            return match state.incoming_end.get() {
                IncomingEnd::NotYet => Err(ErrorKind::WouldBlock.into()),
                IncomingEnd::Ended | IncomingEnd::ResetTold => Ok(0),
                IncomingEnd::Reset => {
                    state.incoming_end.set(IncomingEnd::ResetTold);
                    state.failure.set(None);
                    state.cannot_send.set(true);
                    Err(ErrorKind::ConnectionReset.into())
                }
            };
        }
        let most = match state.chop.get() {
            0 => into.len(),
            chop => into.len().min(chop),
        };
        let n = most.min(incoming.len());
        // A deque consists of two slices.
        let first = incoming.read(&mut into[..n])?;
        let n = first + incoming.read(&mut into[first..n])?;
        if n < into.len() && !incoming.is_empty() {
            // As if the rest had arrived a moment later. An end behind the bytes was reported with them.
            self.0.event(Readiness::READABLE);
        }
        Ok(n)
    }

    fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.send_vectored(&[IoSlice::new(data)])
    }

    fn send_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let state = &*self.0.0;
        assert!(!state.is_shut.get(), "nothing is sent behind the end");
        if self.0.is_interrupted() {
            return Err(ErrorKind::Interrupted.into());
        }
        if let Some(kind) = state.failure.take() {
            state.cannot_send.set(true);
            if state.incoming_end.get() == IncomingEnd::Reset {
                state.incoming_end.set(IncomingEnd::ResetTold);
            }
            state.send_failed.set(true);
            return Err(kind.into());
        }
        if state.cannot_send.get() {
            state.send_failed.set(true);
            return Err(ErrorKind::BrokenPipe.into());
        }
        let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
        assert!(offered > 0, "a send has something to send");
        let taken = offered.min(state.room.get());
        state.room.set(state.room.get() - taken);
        state.sent.set(state.sent.get() + taken);
        let mut left = taken;
        for piece in pieces {
            let part = piece.len().min(left);
            state.outgoing.borrow_mut().extend_from_slice(&piece[..part]);
            left -= part;
        }
        state.is_blocked.set(taken < offered);
        if taken == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        assert!(!self.0.0.is_shut.replace(true), "our side ends once");
        Ok(())
    }

    fn reset_on_close(&self) {
        self.0.0.is_reset.set(true);
    }

    fn fd(&self) -> RawFd {
        CONNECTION
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.0.is_gone.set(true);
        self.0.0.connection.set(None);
    }
}

/// Accepts the one connection.
struct Door(Wire);

impl Acceptor for Door {
    fn listen(&self, _backlog: u32) -> io::Result<()> {
        Ok(())
    }

    fn accept(&self) -> io::Result<Connected> {
        if self.0.0.is_calling.take() { Ok(End::of(&self.0)) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn sockname(&self) -> Option<Address> {
        Some(HERE.into())
    }

    fn fd(&self) -> RawFd {
        LISTENER
    }
}

fn answer<'a, T: 'a>(answer: io::Result<T>) -> Pending<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl Network for Wire {
    fn look_up<'a>(&'a self, _: &'a LoopHandle, host: &'a str, _: u16, _: Hints) -> Pending<'a, Vec<SocketAddr>> {
        self.0.names.borrow_mut().push(host.to_owned());
        answer(Err(ErrorKind::NotFound.into()))
    }

    fn connect<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: &'a [SocketAddr]) -> Pending<'a, Connected> {
        answer(Ok(End::of(self)))
    }

    fn bind<'a>(&'a self, _: &'a LoopHandle, _: &'a Address, _: BindOptions) -> Pending<'a, Box<dyn Acceptor>> {
        answer(Ok(Box::new(Door(self.clone()))))
    }

    fn open_datagrams<'a>(&'a self, _: &'a LoopHandle, _: DatagramOptions) -> Pending<'a, Rc<dyn DatagramConduit>> {
        answer(Err(ErrorKind::Unsupported.into()))
    }
}

impl Selector for Wire {
    fn register(&mut self, fd: RawFd, token: Token) -> io::Result<()> {
        let place = if fd == CONNECTION { &self.0.connection } else { &self.0.listener };
        place.set(Some(token));
        // Like epoll, reports at registration what is already ready.
        self.event(Readiness::READABLE.with(Readiness::WRITABLE));
        Ok(())
    }

    fn deregister(&mut self, fd: RawFd) -> io::Result<()> {
        let place = if fd == CONNECTION { &self.0.connection } else { &self.0.listener };
        place.take().map(drop).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn poll(&mut self, _timeout: Option<Duration>, events: &mut Events) -> io::Result<bool> {
        let readiness = self.0.events.take();
        let mut came = false;
        if let (Some(token), false) = (self.0.connection.get(), readiness == Readiness::NONE) {
            if readiness.contains(Readiness::WRITABLE) {
                self.0.is_blocked.set(false);
            }
            events.push(token, readiness);
            came = true;
        }
        if let (Some(token), true) = (self.0.listener.get(), self.0.is_calling.get()) {
            events.push(token, Readiness::READABLE);
            came = true;
        }
        Ok(came)
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Ok(Box::new(Silent))
    }
}

/// The bell. The loop never sleeps, since the target takes its turns.
struct Silent;

impl Bell for Silent {
    fn ring(&self) -> io::Result<()> {
        Ok(())
    }
}
