//! The part of a server that does not depend on a library: finding the requests in the received bytes, and answering
//! them.

use memchr::{memchr, memmem};

use crate::wire::{App, HTTP_ANSWER, MEBIBYTE, PONG, RECEIVED};

/// One connection's state between two pieces of input.
pub(super) struct Dialogue {
    app: App,
    /// The beginning of an incomplete request.
    partial: Vec<u8>,
    /// For [`App::Discard`]: the number of bytes since the last answer.
    received: usize,
}

impl Dialogue {
    pub(super) fn new(app: App) -> Dialogue {
        Dialogue { app, partial: Vec::new(), received: 0 }
    }

    /// Appends the answers to `input` to `output`.
    pub(super) fn answer(&mut self, input: &[u8], output: &mut Vec<u8>) {
        match self.app {
            App::Echo => output.extend_from_slice(input),
            App::Discard => {
                self.received += input.len();
                output.resize(output.len() + self.received / MEBIBYTE, RECEIVED);
                self.received %= MEBIBYTE;
            }
            _ if self.partial.is_empty() => {
                let used = answer_requests(self.app, input, output);
                self.partial.extend_from_slice(&input[used..]);
            }
            _ => {
                self.partial.extend_from_slice(input);
                let used = answer_requests(self.app, &self.partial, output);
                self.partial.drain(..used);
            }
        }
    }
}

/// Answers the complete requests at the beginning of `input`. Returns their total length.
fn answer_requests(app: App, input: &[u8], output: &mut Vec<u8>) -> usize {
    let mut used = 0;
    while let Some(len) = first_request(app, &input[used..]) {
        match app {
            App::Lines => output.extend_from_slice(&input[used..used + len]),
            App::Http => output.extend_from_slice(HTTP_ANSWER),
            App::Resp => output.extend_from_slice(PONG),
            App::Echo | App::Discard | App::Source => unreachable!("{app:?} has no requests"),
        }
        used += len;
    }
    used
}

/// The length of the request at the beginning of `input`, if it is complete.
fn first_request(app: App, input: &[u8]) -> Option<usize> {
    match app {
        App::Http => memmem::find(input, b"\r\n\r\n").map(|at| at + 4),
        App::Resp => command(input),
        _ => memchr(b'\n', input).map(|at| at + 1),
    }
}

/// A command of Redis's protocol: an array of strings, each with its length.
fn command(input: &[u8]) -> Option<usize> {
    let (strings, mut end) = prefixed_number(input)?;
    for _ in 0..strings {
        let (len, prefix) = prefixed_number(input.get(end..)?)?;
        end += prefix + len + 2;
    }
    (end <= input.len()).then_some(end)
}

/// Parses `*1\r\n` or `$4\r\n`: the number, and the length of the prefix.
fn prefixed_number(input: &[u8]) -> Option<(usize, usize)> {
    let end = memchr(b'\n', input)?;
    let digits = input[..end].iter().filter(|byte| byte.is_ascii_digit());
    let number = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
    Some((number, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{HTTP_REQUEST, PING};

    /// Checks the answers to three requests that arrive in pieces of every size.
    fn in_pieces(app: App, request: &[u8], answer: &[u8]) {
        let input = request.repeat(3);
        for size in 1..=input.len() {
            let mut dialogue = Dialogue::new(app);
            let mut output = Vec::new();
            input.chunks(size).for_each(|piece| dialogue.answer(piece, &mut output));
            assert_eq!(output, answer.repeat(3), "{app:?} in pieces of {size}");
        }
    }

    #[test]
    fn requests_are_answered_once_in_whatever_pieces_they_come() {
        in_pieces(App::Lines, b"a line\n", b"a line\n");
        in_pieces(App::Http, HTTP_REQUEST, HTTP_ANSWER);
        in_pieces(App::Resp, PING, PONG);
        in_pieces(App::Resp, b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n", PONG);
    }

    #[test]
    fn a_mebibyte_is_answered_by_one_byte() {
        let mut dialogue = Dialogue::new(App::Discard);
        let mut output = Vec::new();
        dialogue.answer(&vec![0; MEBIBYTE - 1], &mut output);
        assert_eq!(output, []);
        dialogue.answer(&vec![0; MEBIBYTE + 1], &mut output);
        assert_eq!(output, [RECEIVED; 2]);
    }
}
