//! A selector that does not use the system: a test decides what a poll returns.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use waterwheel::{Bell, Events, Selector, Token};

/// A selector that is polled by calling a function of the test. The function gets how long the poll may wait, the
/// token of every registration so far, and where to put the events; it returns whether there were any.
pub(crate) struct Polled<F> {
    poll: F,
    tokens: Vec<Token>,
}

impl<F: FnMut(Option<Duration>, &[Token], &mut Events) -> bool> Polled<F> {
    pub(crate) fn by(poll: F) -> Box<Polled<F>> {
        Box::new(Polled { poll, tokens: Vec::new() })
    }
}

impl<F: FnMut(Option<Duration>, &[Token], &mut Events) -> bool> Selector for Polled<F> {
    fn register(&mut self, _fd: RawFd, token: Token) -> io::Result<()> {
        self.tokens.push(token);
        Ok(())
    }

    fn deregister(&mut self, _fd: RawFd) -> io::Result<()> {
        Ok(())
    }

    fn poll(&mut self, timeout: Option<Duration>, events: &mut Events) -> io::Result<bool> {
        Ok((self.poll)(timeout, &self.tokens, events))
    }

    fn bell(&mut self) -> io::Result<Box<dyn Bell>> {
        Ok(Box::new(NoBell))
    }
}

/// A bell for a selector that no other thread has to wake.
pub(crate) struct NoBell;

impl Bell for NoBell {
    fn ring(&self) -> io::Result<()> {
        Ok(())
    }
}
