//! The code that the two servers without a runtime share: a connection that is told when it may be ready.

use std::io::{ErrorKind, Read, Result, Write};

use super::dialogue::Dialogue;
use crate::wire::{App, BULK, MEBIBYTE};

/// A connection whose socket is registered once, edge-triggered, for reading and writing.
pub(super) struct Connection<S> {
    stream: S,
    app: App,
    dialogue: Dialogue,
    /// Set by an event, cleared when the kernel has no more for now.
    readable: bool,
    /// Bytes that the kernel has not taken yet, and how many of them are sent.
    unsent: Vec<u8>,
    sent: usize,
    /// For [`App::Source`]: how many bytes of answers still have to be sent.
    owed: usize,
}

impl<S: Read + Write> Connection<S> {
    pub(super) fn new(stream: S, app: App) -> Connection<S> {
        let dialogue = Dialogue::new(app);
        Connection { stream, app, dialogue, readable: false, unsent: Vec::new(), sent: 0, owed: 0 }
    }

    /// Sends and receives until the kernel has no more for now. Returns false when the connection has ended.
    pub(super) fn ready(&mut self, readable: bool, scratch: &mut Scratch) -> bool {
        self.readable |= readable;
        self.advance(scratch).unwrap_or(false)
    }

    fn advance(&mut self, scratch: &mut Scratch) -> Result<bool> {
        // Nothing more is received while answers wait, so a slow reader cannot fill our memory.
        while self.flush()? && self.readable {
            match self.stream.read(&mut scratch.input) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    // A read that did not fill the buffer has emptied the socket.
                    self.readable = n == scratch.input.len();
                    self.answer(n, scratch)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn answer(&mut self, n: usize, scratch: &mut Scratch) -> Result<()> {
        let input = &scratch.input[..n];
        let answer = match self.app {
            App::Source => {
                self.owed += n * MEBIBYTE;
                return Ok(());
            }
            App::Echo => input,
            _ => {
                scratch.output.clear();
                self.dialogue.answer(input, &mut scratch.output);
                &scratch.output
            }
        };
        let sent = send(&mut self.stream, answer)?;
        self.unsent.extend_from_slice(&answer[sent..]);
        Ok(())
    }

    /// Returns true when nothing is left to send.
    fn flush(&mut self) -> Result<bool> {
        while self.owed > 0 {
            let rest = &BULK[(MEBIBYTE - self.owed % MEBIBYTE) % MEBIBYTE..];
            let sent = send(&mut self.stream, rest)?;
            self.owed -= sent;
            if sent < rest.len() {
                return Ok(false);
            }
        }
        self.sent += send(&mut self.stream, &self.unsent[self.sent..])?;
        if self.sent < self.unsent.len() {
            return Ok(false);
        }
        self.unsent.clear();
        self.sent = 0;
        Ok(true)
    }
}

/// Sends bytes, and returns how many the kernel took.
fn send(stream: &mut impl Write, data: &[u8]) -> Result<usize> {
    if data.is_empty() {
        return Ok(0);
    }
    match stream.write(data) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// Buffers that all connections share, so that an idle connection has none.
pub(super) struct Scratch {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch { input: vec![0; 64 * 1024], output: Vec::new() }
    }
}
