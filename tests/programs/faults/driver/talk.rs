//! One side of a conversation.

use std::cell::Cell;
use std::time::Duration;
use std::{env, io};

use futures::future::try_join;
use waterwheel::{ReadError, StreamReader, StreamWriter, TimedOut, timeout, yield_now};

use crate::pattern::Pattern;
use crate::plan::{Course, GREETING, Plan, Role};
use crate::wire::Wire;

thread_local! {
    /// How many bytes were received and found right.
    pub(crate) static RECEIVED: Cell<u64> = const { Cell::new(0) };
}

/// How a conversation ended for one side.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// As planned: everything was sent, and everything was received.
    Whole,
    /// This side aborted, as planned.
    Aborted {
        /// Whether written bytes were given up.
        gave_up: bool,
    },
    /// The other side aborted, as planned. Everything up to then was right.
    Cut {
        /// Whether the abort looked like an orderly end.
        clean: bool,
    },
    /// An error that the plan does not foresee.
    Failed(io::Error),
}

/// Reports what must never happen, whatever fails: wrong bytes, or an orderly end before the last of them on a wire
/// that can report the loss.
pub(crate) fn violation(plan: &Plan, role: Role, what: &str) -> ! {
    eprintln!("VIOLATION: {role:?} of {plan:?}, {:?}: {what}", plan.course());
    std::process::exit(4);
}

/// Awaits a conversation for as many seconds as the environment says, or without limit. A reset is sent only once, and
/// if the network loses it, a side that only reads would never learn of it.
async fn within_silence<F: Future>(talk: F) -> Result<F::Output, TimedOut> {
    match env::var("FAULTS_SILENCE").ok().and_then(|seconds| seconds.parse().ok()) {
        Some(seconds) => timeout(Duration::from_secs(seconds), talk).await,
        None => Ok(talk.await),
    }
}

/// A conversation with a visitor, after its greeting has said which one it is.
pub(crate) async fn host(mut reader: StreamReader, writer: StreamWriter, wire: Wire) -> (Option<Plan>, Outcome) {
    let greeting = match within_silence(reader.readexactly(GREETING)).await {
        Ok(Ok(greeting)) => greeting,
        // A visitor that aborts takes with it what the system has not delivered. A visitor that fails reports that
        // itself.
        Err(_) => return (None, Outcome::Cut { clean: false }),
        Ok(Err(error)) => return (None, Outcome::Cut { clean: matches!(error, ReadError::IncompleteRead { .. }) }),
    };
    let plan = Plan::of_greeting(&greeting);
    (Some(plan), Side { plan, role: Role::Host, wire, reader, writer }.talk().await)
}

pub(crate) async fn visit(plan: Plan, reader: StreamReader, writer: StreamWriter, wire: Wire) -> Outcome {
    writer.write(&plan.greeting());
    Side { plan, role: Role::Visitor, wire, reader, writer }.talk().await
}

struct Side {
    plan: Plan,
    role: Role,
    wire: Wire,
    reader: StreamReader,
    writer: StreamWriter,
}

impl Side {
    async fn talk(mut self) -> Outcome {
        let aborts = match self.plan.course() {
            Course::VisitorAborts => Some(Role::Visitor),
            Course::HostAborts => Some(Role::Host),
            _ => None,
        };
        let talked = async {
            match aborts {
                Some(role) if role == self.role => self.send_half_and_abort().await,
                Some(_) => Ok(self.until_cut().await),
                None => self.exchange().await,
            }
        };
        match within_silence(talked).await {
            Ok(result) => result.unwrap_or_else(Outcome::Failed),
            Err(_) if aborts.is_some() => Outcome::Cut { clean: false },
            Err(late) => Outcome::Failed(late.into()),
        }
    }

    fn other(&self) -> Role {
        if self.role == Role::Host { Role::Visitor } else { Role::Host }
    }

    async fn exchange(&mut self) -> io::Result<Outcome> {
        let (plan, role, wire) = (self.plan, self.role, self.wire);
        let (reader, writer) = (&mut self.reader, &self.writer);
        let other = if role == Role::Host { Role::Visitor } else { Role::Host };
        let send = async {
            send(writer, &mut plan.pattern(role), plan.length(role), plan.piece(role)).await?;
            flush(writer).await?;
            if wire.has_halves() {
                writer.write_eof();
            }
            Ok(())
        };
        let speaks_second =
            matches!((plan.course(), role), (Course::VisitorFirst, Role::Host) | (Course::HostFirst, Role::Visitor));
        if speaks_second {
            flush(writer).await?;
            receive(reader, &plan, other, wire).await?;
            if plan.course() == Course::VisitorFirst && wire.has_halves() {
                expect_end(reader, &plan, role).await?;
            }
            send.await?;
        } else {
            try_join(receive(reader, &plan, other, wire), send).await?;
        }
        // Without halves the host closes the connection, when it has sent and read everything.
        if wire.has_halves() || role == Role::Visitor {
            expect_end(reader, &plan, role).await?;
        }
        writer.close();
        writer.wait_closed().await?;
        Ok(Outcome::Whole)
    }

    async fn send_half_and_abort(&mut self) -> io::Result<Outcome> {
        // The greeting must not be given up, or the host would not know the plan.
        flush(&self.writer).await?;
        let mut pattern = self.plan.pattern(self.role);
        let length = self.plan.length(self.role);
        send(&self.writer, &mut pattern, length / 2, self.plan.piece(self.role)).await?;
        let mut rest = vec![0; (length - pattern.place()) as usize];
        pattern.fill(&mut rest);
        self.writer.write(&rest);
        // What is still buffered after the end of the step is what the kernel did not take.
        yield_now().await;
        let gave_up = self.writer.get_write_buffer_size() > 0;
        self.writer.abort();
        // Returns the error of the abort.
        let _ = self.writer.wait_closed().await;
        Ok(Outcome::Aborted { gave_up })
    }

    /// Sends and reads until the other side aborts.
    async fn until_cut(&mut self) -> Outcome {
        let (plan, role, other) = (self.plan, self.role, self.other());
        let sent = async {
            let result = send(&self.writer, &mut plan.pattern(role), plan.length(role), plan.piece(role)).await;
            // Reading must go on even if the send failed.
            io::Result::Ok(result)
        };
        let received = async {
            let mut pattern = plan.pattern(other);
            loop {
                match self.reader.fill_buf().await {
                    Ok([]) => return Ok(true),
                    Ok(data) => {
                        let n = data.len();
                        check(&mut pattern, data, &plan, role);
                        self.reader.consume(n);
                    }
                    Err(_) => return io::Result::Ok(false),
                }
            }
        };
        match try_join(sent, received).await {
            Ok((_, clean)) => Outcome::Cut { clean },
            Err(error) => Outcome::Failed(error),
        }
    }
}

async fn send(writer: &StreamWriter, pattern: &mut Pattern, length: u64, piece: usize) -> io::Result<()> {
    let mut data = vec![0; piece];
    let mut rounds = 0;
    while pattern.place() < length {
        let n = (length - pattern.place()).min(piece as u64) as usize;
        pattern.fill(&mut data[..n]);
        rounds += 1;
        if rounds % 3 == 0 {
            writer.writelines([&data[..n / 3], &[], &data[n / 3..n]]);
        } else {
            writer.write(&data[..n]);
        }
        writer.drain().await?;
    }
    Ok(())
}

/// Waits until the kernel has taken everything. A side that only reads from here on would learn of a failed send only
/// when the other side ends, which may be waiting for those very bytes.
async fn flush(writer: &StreamWriter) -> io::Result<()> {
    // The bytes that this step wrote are sent at its end.
    yield_now().await;
    writer.flush().await
}

/// Reads everything that the other side has to send.
async fn receive(reader: &mut StreamReader, plan: &Plan, from: Role, wire: Wire) -> io::Result<()> {
    let (length, piece) = (plan.length(from), plan.piece(from).max(8));
    let to = if from == Role::Host { Role::Visitor } else { Role::Host };
    let mut pattern = plan.pattern(from);
    let mut rounds = 0;
    while pattern.place() < length {
        let n = (length - pattern.place()).min(piece as u64) as usize;
        rounds += 1;
        let data = match rounds % 3 {
            0 => reader.read(n).await?,
            1 => reader.readexactly(n).await?,
            _ => {
                let data = reader.fill_buf().await?;
                let data = data[..data.len().min(n)].to_vec();
                reader.consume(data.len());
                data
            }
        };
        if data.is_empty() {
            let text = format!("an end in order after {} of {length} bytes", pattern.place());
            if wire.tells_of_loss() {
                violation(plan, to, &text);
            }
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
        }
        check(&mut pattern, &data, plan, to);
    }
    Ok(())
}

async fn expect_end(reader: &mut StreamReader, plan: &Plan, role: Role) -> io::Result<()> {
    let more = reader.read(1).await?;
    if !more.is_empty() {
        violation(plan, role, "more than was sent");
    }
    Ok(())
}

fn check(pattern: &mut Pattern, data: &[u8], plan: &Plan, role: Role) {
    if let Err(place) = pattern.check(data) {
        violation(plan, role, &format!("the byte at {place} is wrong"));
    }
    RECEIVED.set(RECEIVED.get() + data.len() as u64);
}
