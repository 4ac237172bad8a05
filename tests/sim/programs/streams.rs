//! Programs of streams: readers and writers on both ends do what comes to their minds.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use futures::future::join;
use waterwheel::sim::{Failure, Sim};
use waterwheel::{
    ClientConnected, Coroutine, OpenConnection, ReadError, StartServer, StreamReader, StreamWriter, open_connection,
    open_read_pipe, open_unix_connection, open_write_pipe, sleep, spawn, start_server, start_unix_server, timeout,
    yield_now,
};

use super::dice::Dice;
use super::ledger::{Direction, Ending};
use super::{MOST_EVENTS, faults_of, nothing_is_left};

/// What both ends of a connection know of it, besides what they receive.
#[derive(Clone)]
struct Plan {
    dice: Dice,
    /// Whether the network may reset the connection.
    may_fail: bool,
    /// Whether a direction can end alone, which it cannot in TLS.
    has_halves: bool,
    to_server: Rc<Direction>,
    to_client: Rc<Direction>,
}

impl Plan {
    fn may_fail(&self) -> bool {
        self.may_fail || self.to_server.may_fail() || self.to_client.may_fail()
    }
}

type Plans = Rc<RefCell<Vec<Plan>>>;

/// What is done to a server and to a connection before they are awaited.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) has_halves: bool,
    pub(super) server: Rc<dyn Fn(StartServer) -> StartServer>,
    pub(super) client: Rc<dyn Fn(OpenConnection) -> OpenConnection>,
}

pub(super) fn program(sim: &mut Sim) -> Result<(), Failure> {
    program_with(
        sim,
        &Settings { has_halves: true, server: Rc::new(|server| server), client: Rc::new(|client| client) },
    )
}

/// The program, with connections of the internet that have these settings.
pub(super) fn program_with(sim: &mut Sim, settings: &Settings) -> Result<(), Failure> {
    sim.set_faults(faults_of(sim.seed()));
    sim.event_limit(MOST_EVENTS);
    let (plans, world, may_fail) = (Plans::default(), sim.handle(), sim.seed() % 3 == 2);
    let (known, serve, settings) = (Rc::clone(&plans), Rc::clone(&settings.server), settings.clone());
    sim.host("server", move || {
        let server = serve(start_server(answer(Rc::clone(&known)), "0.0.0.0:7"));
        async move { server.await?.serve_forever().await }
    });
    sim.client("client", async move {
        sleep(Duration::from_millis(10)).await;
        let local = start_unix_server(answer(Rc::clone(&plans)), "/run/programs").await?;
        let (mut connections, dice) = (Vec::new(), Dice(world));
        for number in 0..1 + dice.below(4) {
            let key = dice.0.random() as u32;
            let (to_server, to_client) = (Direction::new(key), Direction::new(!key));
            let kind = dice.below(6);
            let has_halves = settings.has_halves || kind < 2;
            let plan = Plan { dice: dice.clone(), may_fail, has_halves, to_server, to_client };
            plans.borrow_mut().push(plan.clone());
            connections.push(spawn(connect(number, kind, plan, settings.clone())));
        }
        for connection in connections {
            connection.await.expect("what panics is reported");
        }
        local.close();
        io::Result::Ok(())
    });
    sim.run()?;
    nothing_is_left(sim)
}

/// A server's handler, which finds the plan of a connection by the first byte.
fn answer(plans: Plans) -> impl ClientConnected<Coroutine> {
    move |mut reader: StreamReader, writer: StreamWriter| {
        let plans = Rc::clone(&plans);
        async move {
            // The connection may be gone before it comes.
            let Ok(number) = reader.readexactly(1).await else { return };
            let plan = plans.borrow()[usize::from(number[0])].clone();
            both_ways(&plan, reader, writer, &plan.to_server, &plan.to_client).await;
        }
    }
}

async fn connect(number: usize, kind: usize, plan: Plan, settings: Settings) {
    let dice = &plan.dice;
    sleep(dice.time()).await;
    let connected = match kind {
        0 => return pipe(&plan).await.expect("a pipe can be had"),
        1 => open_unix_connection("/run/programs").limit(1 + dice.below(5000)).await,
        _ => (settings.client)(open_connection(("server", 7)).limit(1 + dice.below(5000))).await,
    };
    match connected {
        Ok((reader, writer)) => {
            writer.write(&[number as u8]);
            both_ways(&plan, reader, writer, &plan.to_client, &plan.to_server).await;
        }
        Err(error) => assert!(plan.may_fail, "connecting failed: {error}"),
    }
}

/// Both ends of a pipe.
async fn pipe(plan: &Plan) -> io::Result<()> {
    let (read_end, write_end) = plan.dice.0.pipe("client")?;
    let (reader, writer) = (open_read_pipe(read_end).await?, open_write_pipe(write_end).await?);
    let way = &plan.to_server;
    // A pipe has nothing to tell an end by that is not one.
    join(read(plan, reader, way, way), write(plan, writer, way)).await;
    Ok(())
}

/// Reads and writes at the same time, each to its end.
async fn both_ways(plan: &Plan, reader: StreamReader, writer: StreamWriter, from: &Direction, to: &Direction) {
    join(read(plan, reader, from, to), write(plan, writer, to)).await;
}

fn failed(plan: &Plan, error: &io::Error) {
    assert!(plan.may_fail(), "a connection failed that nobody failed: {error}");
}

/// Receives until the end or a failure, or gives up before. Whoever aborts `to` also ends what it receives itself.
async fn read(plan: &Plan, mut reader: StreamReader, from: &Direction, to: &Direction) {
    let dice = &plan.dice;
    let end = || {
        if !to.is_aborted() {
            from.is_complete()
        }
    };
    for _ in 0..60 {
        if !plan.has_halves && from.is_whole() {
            return;
        }
        // Where no end comes alone, nobody may wait for it.
        let patience = if plan.has_halves { Duration::MAX } else { Duration::from_secs(1) };
        match timeout(patience, read_once(dice, &mut reader, from)).await {
            Ok(Ok(true)) | Err(_) => {}
            Ok(Ok(false)) => return end(),
            Ok(Err(error)) => return failed(plan, &error),
        }
    }
    if dice.once_in(6) || !plan.has_halves {
        // Not to the end: whoever still sends finds nobody.
        from.stop_hearing();
        return;
    }
    match reader.read_to_end().await {
        Ok(rest) => {
            from.receive(&rest);
            end();
        }
        Err(error) => failed(plan, &error),
    }
}

/// One operation. Returns whether the end has not come.
async fn read_once(dice: &Dice, reader: &mut StreamReader, from: &Direction) -> io::Result<bool> {
    match dice.below(9) {
        0 | 1 => {
            let data = reader.read(dice.size()).await?;
            from.receive(&data);
            Ok(!data.is_empty())
        }
        2 => match reader.readexactly(dice.size()).await {
            Ok(data) => {
                from.receive(&data);
                Ok(true)
            }
            Err(ReadError::IncompleteRead { partial, .. }) => {
                from.receive(&partial);
                Ok(false)
            }
            Err(error) => Err(error.into()),
        },
        3 => match reader.readuntil(&from.soon(dice.size(), 1 + dice.below(4))[..]).await {
            Ok(data) => {
                from.receive(&data);
                Ok(true)
            }
            Err(ReadError::IncompleteRead { partial, .. }) => {
                from.receive(&partial);
                Ok(false)
            }
            // What is over the limit can still be read.
            Err(ReadError::LimitOverrun { .. }) => {
                let data = reader.read(dice.size()).await?;
                from.receive(&data);
                Ok(true)
            }
            Err(error) => Err(error.into()),
        },
        4 => {
            let data = reader.fill_buf().await?;
            let taken = if data.is_empty() { 0 } else { dice.below(data.len() + 1) };
            from.receive(&data[..taken]);
            let is_end = data.is_empty();
            reader.consume(taken);
            Ok(!is_end)
        }
        // Waits that are given up must lose nothing.
        5 => {
            if let Ok(data) = timeout(dice.time(), reader.readexactly(dice.size())).await {
                return match data {
                    Ok(data) => {
                        from.receive(&data);
                        Ok(true)
                    }
                    Err(ReadError::IncompleteRead { partial, .. }) => {
                        from.receive(&partial);
                        Ok(false)
                    }
                    Err(error) => Err(error.into()),
                };
            }
            Ok(true)
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
        _ => {
            yield_now().await;
            Ok(true)
        }
    }
}

/// Sends for a while, and ends in one of the ways that there are.
async fn write(plan: &Plan, writer: StreamWriter, to: &Direction) {
    let dice = &plan.dice;
    for _ in 0..dice.below(40) {
        if let Err(error) = write_once(dice, &writer, to).await {
            // What is dropped now was not all.
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
        // Dropping it ends this direction, and what was written is still sent.
        _ => to.end(Ending::InOrder),
    }
}

async fn write_once(dice: &Dice, writer: &StreamWriter, to: &Direction) -> io::Result<()> {
    match dice.below(8) {
        0..=2 => writer.write(&to.write(dice.size())),
        3 => {
            let pieces: Vec<Vec<u8>> = (0..dice.below(5)).map(|_| to.write(dice.size())).collect();
            writer.writelines(pieces.iter().map(|piece| &piece[..]));
        }
        4 | 5 => writer.drain().await?,
        6 => {
            let _given_up = timeout(dice.time(), writer.drain()).await;
        }
        _ => sleep(dice.time()).await,
    }
    Ok(())
}
