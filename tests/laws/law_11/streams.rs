//! Futures of streams, each over every wire. Bytes that were there before a wait was dropped are there afterwards.

use std::cell::RefCell;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use waterwheel::testing::socket_pair;
use waterwheel::{Connection, StreamReader, StreamWriter, copy, copy_bidirectional, spawn, yield_now};

use super::moments::{Moment, drop_while};
use super::wires::{Opened, Peer, Wire, unless_blocked};
use super::{Row, rows};
use crate::common::bytes::pattern;

pub(super) const ROWS: &[Row] = rows![
    "StreamReader::read" => |moment| reading(moment, async |from| from.read(4).await),
    "StreamReader::read_into" => |moment| reading(moment, async |from| {
        let mut piece = [0; 4];
        let n = from.read_into(&mut piece).await?;
        Ok(piece[..n].to_vec())
    }),
    "StreamReader::read_to_end" => |moment| reading(moment, async |from| from.read_to_end().await),
    "StreamReader::fill_buf" => |moment| reading(moment, async |from| {
        let lent = from.fill_buf().await?.to_vec();
        from.consume(lent.len());
        Ok(lent)
    }),
    "StreamReader::readexactly" => |moment| reading(moment, async |from| Ok(from.readexactly(11).await?)),
    "StreamReader::readuntil" => |moment| reading(moment, async |from| Ok(from.readuntil(["three", "four"]).await?)),
    "StreamReader::readuntil_within" => |moment| {
        reading(moment, async |from| Ok(from.readuntil_within("three", 100).await?))
    },
    "StreamReader::readuntil_into" => |moment| reading(moment, async |from| {
        let mut to = Vec::new();
        from.readuntil_into("three", &mut to).await?;
        Ok(to)
    }),
    "StreamReader::readline" => |moment| reading(moment, async |from| Ok(from.readline().await?)),
    "StreamReader::readline_within" => |moment| reading(moment, async |from| Ok(from.readline_within(100).await?)),
    "StreamReader::readline_into" => |moment| reading(moment, async |from| {
        let mut to = Vec::new();
        from.readline_into(&mut to).await?;
        Ok(to)
    }),
    "StreamReader::next_line" => |moment| reading(moment, async |from| Ok(from.next_line().await?.expect("a line"))),
    "StreamWriter::drain" => |moment| writing(moment, async |to| to.drain().await),
    "StreamWriter::write_all" => |moment| writing(moment, async |to| to.write_all(b"").await),
    "StreamWriter::flush" => |moment| writing(moment, async |to| to.flush().await),
    "StreamWriter::wait_closed" => closing,
    "copy" => |moment| copying(moment, async |from, to| copy(&mut from.reader, &to.writer).await.map(drop)),
    "copy_bidirectional" => |moment| copying(moment, async |from, to| copy_bidirectional(from, to).await.map(drop)),
    "Connection::into_std" => leaving,
];

/// Drops a copy while more bytes arrive from turn to turn, and then copies the rest.
async fn copying(moment: Moment, pass_on: impl AsyncFn(&mut Connection, &mut Connection) -> io::Result<()>) -> bool {
    let ((sender, mut from), (mut to, mut receiver)) = (socket_pair().unwrap(), socket_pair().unwrap());
    receiver.writer.write_eof();
    let (sender, pieces) = (Rc::new(sender), Rc::new(RefCell::new(PIECES.iter())));
    let (writer, left) = (Rc::clone(&sender), Rc::clone(&pieces));
    let sending = async move {
        while let Some(piece) = { left.borrow_mut().next() } {
            writer.writer.write(piece.as_bytes());
            yield_now().await;
            yield_now().await;
        }
        writer.writer.write_eof();
    };
    let is_done = drop_while(moment, pass_on(&mut from, &mut to), sending).await.map(Result::unwrap).is_some();
    if !is_done {
        pieces.take().for_each(|piece| sender.writer.write(piece.as_bytes()));
        sender.writer.write_eof();
    }
    copy(&mut from.reader, &to.writer).await.unwrap();
    drop(to);
    assert_eq!(String::from_utf8_lossy(&receiver.reader.read_to_end().await.unwrap()), PIECES.concat(), "{moment:?}");
    is_done
}

/// Drops a connection that is about to leave the loop: the written bytes are sent, and then it is closed.
async fn leaving(moment: Moment) -> bool {
    let (ours, peer) = UnixStream::pair().unwrap();
    peer.set_nonblocking(true).unwrap();
    let ours = Connection::try_from(ours).unwrap();
    let sent = pattern(MUCH);
    ours.writer.write(&sent);
    let receiver = Rc::new(RefCell::new((peer, Vec::new())));
    let take_all = async |receiver: Rc<RefCell<(UnixStream, Vec<u8>)>>| {
        let take_some = || {
            let (peer, got) = &mut *receiver.borrow_mut();
            take(peer, got)
        };
        while !take_some() {
            yield_now().await;
        }
    };
    let taking = Rc::clone(&receiver);
    let is_done = drop_while(moment, ours.into_std(), take_all(taking)).await.map(Result::unwrap).is_some();
    take_all(Rc::clone(&receiver)).await;
    assert!(receiver.borrow().1 == sent, "{moment:?}: {} bytes came", receiver.borrow().1.len());
    is_done
}

/// Runs a trial over each wire. The future was done if it was done over all of them.
async fn over_every_wire(trial: impl AsyncFn(Wire) -> bool) -> bool {
    let mut is_done = true;
    for &wire in Wire::ALL {
        is_done &= trial(wire).await;
    }
    is_done
}

/// The pieces that a peer sends, which do not match the lines.
const PIECES: [&str; 4] = ["on", "e\ntw", "o\nth", "ree\nfour\n"];

/// A peer that sends its pieces one by one, and then ends its side.
struct Sender {
    peer: Box<dyn Peer>,
    pieces: std::slice::Iter<'static, &'static str>,
}

impl Sender {
    /// Sends the next piece, or the end. Returns false if it sent the end.
    fn send_next(&mut self) -> bool {
        let piece = self.pieces.next();
        match piece {
            Some(piece) => self.peer.write_all(piece.as_bytes()).unwrap(),
            None => self.peer.end().unwrap(),
        }
        piece.is_some()
    }
}

/// Drops a read while the pieces arrive from turn to turn, and then reads the rest.
async fn reading(moment: Moment, read: impl AsyncFn(&mut StreamReader) -> io::Result<Vec<u8>>) -> bool {
    over_every_wire(async |wire| {
        let Opened { reader, writer: _writer, peer } = wire.to_read().await;
        let mut reader = reader.expect("it is to read");
        let sender = Rc::new(RefCell::new(Sender { peer, pieces: PIECES.iter() }));
        let sending = Rc::clone(&sender);
        let dropped = drop_while(moment, read(&mut reader), async move {
            while sending.borrow_mut().send_next() {
                yield_now().await;
                yield_now().await;
            }
        })
        .await;
        let is_done = dropped.is_some();
        let mut got = dropped.map(Result::unwrap).unwrap_or_default();
        while sender.borrow_mut().send_next() {}
        got.extend(reader.read_to_end().await.unwrap());
        let sent = PIECES.concat();
        // The dropped read took nothing, so the bytes of both reads are what was sent.
        assert_eq!(String::from_utf8_lossy(&got), sent, "{wire:?}, {moment:?}");
        is_done
    })
    .await
}

/// More than the kernel and a writer's buffer take while the peer reads nothing.
pub(super) const MUCH: usize = 300_000;

/// Reads everything that has arrived at a peer, and returns whether the end was among it.
pub(super) fn take(peer: &mut (impl Read + ?Sized), to: &mut Vec<u8>) -> bool {
    let mut piece = [0; 64 * 1024];
    while let Some(n) = unless_blocked(peer.read(&mut piece)) {
        to.extend_from_slice(&piece[..n]);
        if n == 0 {
            return true;
        }
    }
    false
}

/// A peer, and what it has received.
struct Receiver {
    peer: Box<dyn Peer>,
    got: Vec<u8>,
    is_ended: bool,
}

impl Receiver {
    fn new(peer: Box<dyn Peer>) -> Rc<RefCell<Receiver>> {
        Rc::new(RefCell::new(Receiver { peer, got: Vec::new(), is_ended: false }))
    }

    /// Receives what has arrived, and answers the end with an end.
    fn take_some(&mut self) {
        if !self.is_ended && take(&mut *self.peer, &mut self.got) {
            self.is_ended = true;
            // The connection may be gone by now.
            let _ = self.peer.end();
        }
    }
}

/// Receives everything up to the end.
async fn take_all(receiver: Rc<RefCell<Receiver>>) {
    while !receiver.borrow().is_ended {
        receiver.borrow_mut().take_some();
        yield_now().await;
    }
}

/// Drops a wait for the peer while the peer receives a lot, and then writes more.
async fn writing(moment: Moment, wait: impl AsyncFn(&StreamWriter) -> io::Result<()>) -> bool {
    over_every_wire(async |wire| {
        let Opened { reader: _reader, writer, peer } = wire.to_write().await;
        let writer = writer.expect("it is to write");
        let receiver = Receiver::new(peer);
        let mut sent = pattern(MUCH);
        writer.write(&sent);
        let dropped = drop_while(moment, wait(&writer), take_all(Rc::clone(&receiver))).await;
        let is_done = dropped.map(|waited| waited.unwrap()).is_some();
        writer.write(b"and more");
        sent.extend(b"and more");
        let taking = spawn(take_all(Rc::clone(&receiver)));
        writer.drain().await.unwrap();
        writer.close();
        taking.await.unwrap();
        assert!(receiver.borrow().got == sent, "{wire:?}, {moment:?}: {} bytes came", receiver.borrow().got.len());
        is_done
    })
    .await
}

/// Drops the wait for the end of a connection that is still sending.
async fn closing(moment: Moment) -> bool {
    over_every_wire(async |wire| {
        let Opened { reader: _reader, writer, peer } = wire.to_write().await;
        let writer = writer.expect("it is to write");
        let receiver = Receiver::new(peer);
        let sent = pattern(MUCH);
        writer.write(&sent);
        writer.close();
        let dropped = drop_while(moment, writer.wait_closed(), take_all(Rc::clone(&receiver))).await;
        let is_done = dropped.map(|waited| waited.unwrap()).is_some();
        let taking = spawn(take_all(Rc::clone(&receiver)));
        writer.wait_closed().await.unwrap();
        taking.await.unwrap();
        assert!(receiver.borrow().got == sent, "{wire:?}, {moment:?}: {} bytes came", receiver.borrow().got.len());
        is_done
    })
    .await
}
