//! The two halves of a connection: a reader and a writer that perform random operations, each to its end.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{ReadError, StreamReader, StreamWriter, sleep, timeout, yield_now};

use super::dice::Dice;
use super::ledger::{Direction, Ending};
use super::trouble::Fate;
use super::wires::Wires;

/// What both ends of a connection share.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) dice: Dice,
    /// Whether the network may reset the connection.
    pub(super) may_fail: bool,
    /// Whether one direction can end alone, which is not the case with TLS.
    pub(super) has_halves: bool,
    pub(super) to_server: Rc<Direction>,
    pub(super) to_client: Rc<Direction>,
    pub(super) fate: Rc<Fate>,
    pub(super) wires: Wires,
}

impl Plan {
    fn may_fail(&self) -> bool {
        self.may_fail || self.to_server.may_fail() || self.to_client.may_fail()
    }
}

/// Records that a reader is dropped before the end and receives nothing more.
struct Hears<'a> {
    from: &'a Direction,
    has_ended: bool,
}

impl Drop for Hears<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.from.stop_hearing();
        }
    }
}

/// Records the orderly end of a writer that is dropped: everything written is still sent.
struct Writes<'a>(&'a Direction);

impl Drop for Writes<'_> {
    fn drop(&mut self) {
        self.0.end(Ending::InOrder);
    }
}

fn failed(plan: &Plan, error: &io::Error) {
    assert!(plan.may_fail(), "a connection failed that nobody failed: {error}");
    let is_cut_off = !plan.has_halves && error.kind() == ErrorKind::UnexpectedEof;
    assert!(is_cut_off || is_of_a_network(error), "a connection failed as none does: {error} ({:?})", error.kind());
}

/// Whether an error says that the other side, or the network to it, is gone.
fn is_of_a_network(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::TimedOut)
}

/// Why a reader stops.
enum Heard {
    /// The end has come.
    End,
    /// Everything written has been received, and the end may come only together with our own.
    All,
    /// The reader chooses to stop.
    Enough,
}

/// Receives until the end or a failure, or stops before. If `to` is aborted, receiving ends as well.
pub(super) async fn read(plan: &Plan, mut reader: StreamReader, from: &Direction, to: &Direction) {
    let mut hears = Hears { from, has_ended: false };
    let heard = receive(plan, &mut reader, from).await;
    hears.has_ended = !matches!(heard, Ok(Heard::Enough));
    match heard {
        Ok(Heard::End) if !to.is_aborted() => from.is_complete(),
        Ok(_) => {}
        // Whether the peer still receives does not affect our own receiving.
        Err(error) => {
            let is_allowed = plan.may_fail || from.is_aborted() || to.is_aborted();
            assert!(is_allowed, "receiving failed, and nobody gave anything up: {error}");
            failed(plan, &error);
        }
    }
}

async fn receive(plan: &Plan, reader: &mut StreamReader, from: &Direction) -> io::Result<Heard> {
    let dice = &plan.dice;
    for _ in 0..60 {
        if !plan.has_halves && from.is_whole() {
            return Ok(Heard::All);
        }
        // If no end comes alone, a reader must not wait for it.
        let patience = if plan.has_halves { Duration::MAX } else { Duration::from_secs(1) };
        match timeout(patience, read_once(plan, reader, from)).await {
            Ok(Ok(true)) | Err(_) => {}
            Ok(Ok(false)) => return Ok(Heard::End),
            Ok(Err(error)) => return Err(error),
        }
    }
    if dice.once_in(6) || !plan.has_halves {
        return Ok(Heard::Enough);
    }
    let _all = from.ask(usize::MAX);
    from.receive(&reader.read_to_end().await?);
    Ok(Heard::End)
}

/// Performs one operation. Returns false if the end has come.
async fn read_once(plan: &Plan, reader: &mut StreamReader, from: &Direction) -> io::Result<bool> {
    let dice = &plan.dice;
    match dice.below(10) {
        0 | 1 => {
            let data = reader.read(dice.size()).await?;
            from.receive(&data);
            Ok(!data.is_empty())
        }
        2 => {
            let size = dice.size();
            let _asking = from.ask(size);
            received(reader.readexactly(size).await, from)
        }
        3 => {
            let separator = from.soon(dice.size(), 1 + dice.below(4));
            let _asking = from.ask_until(separator.len());
            match reader.readuntil(&separator[..]).await {
                // Bytes beyond the limit can still be read.
                Err(ReadError::LimitOverrun { .. }) => {
                    let data = reader.read(dice.size()).await?;
                    from.receive(&data);
                    Ok(true)
                }
                outcome => received(outcome, from),
            }
        }
        4 => {
            let data = reader.fill_buf().await?;
            let taken = if data.is_empty() { 0 } else { dice.below(data.len() + 1) };
            from.receive(&data[..taken]);
            let is_end = data.is_empty();
            reader.consume(taken);
            Ok(!is_end)
        }
        // A wait that is dropped must lose nothing.
        5 => {
            let (time, size) = (dice.time(), dice.size());
            let _asking = from.ask(size);
            match timeout(time, reader.readexactly(size)).await {
                Ok(outcome) => received(outcome, from),
                Err(_given_up) => Ok(true),
            }
        }
        6 => {
            let mut buffer = vec![0; dice.size()];
            if let Ok(n) = timeout(dice.time(), reader.read_into(&mut buffer)).await {
                let n = n?;
                from.receive(&buffer[..n]);
                return Ok(n > 0);
            }
            Ok(true)
        }
        7 => {
            sleep(dice.time()).await;
            Ok(true)
        }
        // Many reads in one step, if the bytes have arrived.
        8 if dice.once_in(3) => {
            for _ in 0..dice.below(2000) {
                let mut byte = [0];
                let n = reader.read_into(&mut byte).await?;
                plan.wires.completed();
                from.receive(&byte[..n]);
                if n == 0 {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        _ => {
            yield_now().await;
            Ok(true)
        }
    }
}

/// Records the outcome of a read, or what it had when the end came. Returns false if the end has come.
fn received(outcome: Result<Vec<u8>, ReadError>, from: &Direction) -> io::Result<bool> {
    match outcome {
        Ok(data) => {
            from.receive(&data);
            Ok(true)
        }
        Err(ReadError::IncompleteRead { partial, .. }) => {
            from.receive(&partial);
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Sends for a while, and ends in one of the possible ways.
pub(super) async fn write(plan: &Plan, writer: StreamWriter, to: &Direction) {
    let (dice, _ends) = (&plan.dice, Writes(to));
    for _ in 0..dice.below(40) {
        if let Err(error) = write_once(plan, &writer, to).await {
            // Bytes may be lost when the writer is dropped now.
            to.end(Ending::Aborted);
            return failed(plan, &error);
        }
    }
    match dice.below(6) {
        0 => {
            to.end(Ending::Aborted);
            writer.abort();
        }
        1 | 2 if plan.has_halves => {
            to.end(Ending::InOrder);
            writer.write_eof();
            sleep(dice.time()).await;
        }
        _ if !plan.has_halves => {
            to.end(Ending::InOrder);
            while !to.is_whole() && !to.may_fail() && !writer.is_closing() {
                sleep(Duration::from_millis(100)).await;
            }
        }
        _ => {}
    }
}

async fn write_once(plan: &Plan, writer: &StreamWriter, to: &Direction) -> io::Result<()> {
    let dice = &plan.dice;
    match dice.below(8) {
        0..=2 => writer.write(&to.write(dice.size())),
        3 => {
            let pieces: Vec<Vec<u8>> = (0..dice.below(5)).map(|_| to.write(dice.size())).collect();
            writer.writelines(pieces.iter().map(|piece| &piece[..]));
        }
        4 if dice.once_in(6) => {
            for _ in 0..dice.below(1000) {
                writer.drain().await?;
                plan.wires.completed();
            }
        }
        4 | 5 => writer.drain().await?,
        6 => {
            let _given_up = timeout(dice.time(), writer.drain()).await;
        }
        _ => sleep(dice.time()).await,
    }
    Ok(())
}
