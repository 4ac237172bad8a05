//! The HTTP/2 load, with prior knowledge: requests are hand-made frames, so that the load costs less than any server,
//! and the frames of the answers are checked one by one.

use std::io::Write;
use std::net::TcpStream;

use super::Page;
use super::load::{Batches, receive};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const MOST_WINDOW: u32 = 0x7fff_ffff;
const FIRST_WINDOW: u32 = 65_535;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// A flag of DATA and HEADERS.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// A flag of SETTINGS and PING.
const ACK: u8 = 1;

/// A connection of HTTP/2.
pub(super) struct Streams {
    socket: TcpStream,
    /// The header block of a request.
    request: Vec<u8>,
    body: &'static [u8],
    /// The first stream of the next batch.
    next: u32,
    /// For each stream of a batch, how many bytes of its body have arrived; `None` once it has ended.
    open: Vec<Option<usize>>,
    /// Bytes of an incomplete frame.
    received: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Streams {
    pub(super) fn new(socket: TcpStream, streams: usize) -> Streams {
        let mut outgoing = PREFACE.to_vec();
        // The windows of the streams and of the connection are so large that the load never has to extend them.
        let initial_window = [&[0, 4], &MOST_WINDOW.to_be_bytes()[..]].concat();
        frame(&mut outgoing, SETTINGS, 0, 0, &initial_window);
        frame(&mut outgoing, WINDOW_UPDATE, 0, 0, &(MOST_WINDOW - FIRST_WINDOW).to_be_bytes());
        let page = Page::Small;
        Streams {
            socket,
            request: request(page.path()),
            body: page.body(),
            next: 1,
            open: vec![None; streams],
            received: Vec::new(),
            outgoing,
        }
    }

    /// Handles one frame. Returns whether it ended a stream.
    fn take(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        match kind {
            HEADERS => {
                assert_eq!(flags & (END_HEADERS | END_STREAM), END_HEADERS, "a head in one frame, and a body");
                assert_eq!(status(payload), 0x88, "the status is 200");
                *self.stream(stream) = Some(0);
                false
            }
            DATA => {
                let body = self.body;
                let place = self.stream(stream);
                let position = place.expect("it has not ended");
                let after = position + payload.len();
                assert!(body.get(position..after) == Some(payload), "the body differs");
                let ends = flags & END_STREAM != 0;
                assert!(!ends || after == body.len(), "the body is whole when the stream ends");
                *place = Some(after).filter(|_| !ends);
                ends
            }
            SETTINGS if flags & ACK == 0 => {
                frame(&mut self.outgoing, SETTINGS, ACK, 0, &[]);
                false
            }
            PING if flags & ACK == 0 => {
                frame(&mut self.outgoing, PING, ACK, 0, payload);
                false
            }
            RST_STREAM | GOAWAY => panic!("the server refuses: frame {kind}, {payload:?}"),
            _ => false,
        }
    }

    /// The state of a stream of this batch.
    fn stream(&mut self, stream: u32) -> &mut Option<usize> {
        let first = self.next - 2 * self.open.len() as u32;
        let place = stream.checked_sub(first).expect("a stream of this batch") / 2;
        &mut self.open[place as usize]
    }
}

impl Batches for Streams {
    fn send(&mut self) {
        for place in &mut self.open {
            frame(&mut self.outgoing, HEADERS, END_HEADERS | END_STREAM, self.next, &self.request);
            self.next += 2;
            *place = Some(0);
        }
        self.socket.write_all(&self.outgoing).expect("sending");
        self.outgoing.clear();
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        let mut left = self.open.len();
        while left > 0 {
            let n = receive(&mut self.socket, buffer);
            self.received.extend_from_slice(&buffer[..n]);
            let received = std::mem::take(&mut self.received);
            let mut rest = received.as_slice();
            while let Some((head, behind)) = rest.split_at_checked(9) {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                let Some((payload, behind)) = behind.split_at_checked(length) else { break };
                let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                left -= usize::from(self.take(head[3], head[4], stream, payload));
                rest = behind;
            }
            self.received = rest.to_vec();
        }
    }
}

fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    to.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
    to.extend_from_slice(payload);
}

/// A header block that does not change the dynamic table of the connection.
fn request(path: &str) -> Vec<u8> {
    // In the static table, `:method: GET` has index 2, `:scheme: http` index 6, the name `:authority` index 1, and the
    // name `:path` index 4.
    let mut block = vec![0x82, 0x86];
    for (name, value) in [(1, "localhost"), (4, path)] {
        block.extend_from_slice(&[name, value.len() as u8]);
        block.extend_from_slice(value.as_bytes());
    }
    block
}

/// The first field of an answer, after any updates of the table's size.
fn status(block: &[u8]) -> u8 {
    const SIZE: u8 = 0x20;
    let field = block.iter().find(|byte| **byte & 0xe0 != SIZE);
    *field.expect("there is one")
}
