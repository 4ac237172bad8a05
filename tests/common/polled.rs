//! A selector that asks nothing of the system: a test says what comes of a poll.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use waterwheel::{Bell, Events, Selector, Token};

/// A selector that is polled by calling a function of the test. The function is given how long the poll may wait, the
/// token of every registration so far, and where to put the events; it says whether anything came.
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

/// The bell of a selector that nobody on another thread has to wake.
pub(crate) struct NoBell;

impl Bell for NoBell {
    fn ring(&self) -> io::Result<()> {
        Ok(())
    }
}
