//! Programs of streams: readers and writers on both ends perform random operations.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures::future::join;
use waterwheel::sim::{Failure, Sim};
use waterwheel::{
    ClientConnected, Coroutine, OpenConnection, StartServer, StreamReader, StreamWriter, open_connection,
    open_read_pipe, open_unix_connection, open_write_pipe, race, sleep, spawn, start_server, start_unix_server,
    timeout,
};

use super::dice::Dice;
use super::halves::{Plan, read, write};
use super::ledger::Direction;
use super::network::watch;
use super::trouble::{Fate, Fates, trouble};
use super::wires::Wires;
use super::{MOST_EVENTS, faults_of, nothing_is_left};

type Plans = Rc<RefCell<Vec<Plan>>>;

/// The settings of a server and of a connection, applied before they are awaited.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) has_halves: bool,
    pub(super) server: Rc<dyn Fn(StartServer) -> StartServer>,
    pub(super) client: Rc<dyn Fn(OpenConnection) -> OpenConnection>,
    /// Whether the network sees only encrypted bytes.
    pub(super) is_encrypted: bool,
    /// Applied to each TCP connection once both sides know each other.
    pub(super) upgrade: Option<Upgrade>,
}

/// Upgrades both halves. The flag is true at the client.
pub(super) type Upgrade = Rc<
    dyn Fn(bool, StreamReader, StreamWriter) -> Pin<Box<dyn Future<Output = io::Result<(StreamReader, StreamWriter)>>>>,
>;

pub(super) fn program(sim: &mut Sim) -> Result<(), Failure> {
    counted(sim).map(drop)
}

/// Runs the program. Returns the number of conversations that a crash of the server broke off.
pub(super) fn counted(sim: &mut Sim) -> Result<usize, Failure> {
    let (server, client) = (Rc::new(|server| server), Rc::new(|client| client));
    program_with(sim, &Settings { has_halves: true, is_encrypted: false, server, client, upgrade: None })
}

/// Runs the program with these settings for its TCP connections. Returns the number of conversations that a crash of
/// the server broke off.
pub(super) fn program_with(sim: &mut Sim, settings: &Settings) -> Result<usize, Failure> {
    sim.set_faults(faults_of(sim.seed()));
    sim.event_limit(MOST_EVENTS);
    let (plans, world, may_fail) = (Plans::default(), sim.handle(), sim.seed() % 3 == 2);
    let upgrade = settings.upgrade.clone();
    let (fates, all_plans) = (Fates::default(), Rc::clone(&plans));
    let known_fates = fates.clone();
    let wires = Wires::default();
    watch(sim, &wires);
    // The limit of each server's readers.
    let limit = 1 + world.random() as usize % 5000;
    let (known, serve, settings) = (Rc::clone(&plans), Rc::clone(&settings.server), settings.clone());
    sim.host("server", move || {
        let server = serve(start_server(answer(Rc::clone(&known), upgrade.clone()), "0.0.0.0:7").limit(limit));
        async move { server.await?.serve_forever().await }
    });
    sim.client("client", async move {
        sleep(Duration::from_millis(10)).await;
        let local = start_unix_server(answer(Rc::clone(&plans), None), "/run/programs").limit(limit).await?;
        let (mut connections, dice) = (Vec::new(), Dice(world));
        for number in 0..1 + dice.below(4) {
            let key = dice.0.random() as u32;
            let (to_server, to_client) = (Direction::new(key), Direction::new(!key));
            let kind = dice.below(6);
            let has_halves = settings.has_halves || kind < 2;
            let fate = Fate::new(&to_server, &to_client);
            known_fates.add(&fate);
            to_server.set_limit(limit);
            let wires = wires.clone();
            let plan = Plan { dice: dice.clone(), may_fail, has_halves, to_server, to_client, fate, wires };
            plans.borrow_mut().push(plan.clone());
            connections.push(spawn(connect(number, kind, plan, settings.clone())));
        }
        if may_fail {
            trouble(&dice, &known_fates).await;
        }
        for connection in connections {
            connection.await.expect("what panics is reported");
        }
        local.close();
        local.wait_closed().await;
        io::Result::Ok(())
    });
    sim.run()?;
    nothing_is_left(sim)?;
    for plan in &*all_plans.borrow() {
        // Both lists hold the fate. A third reference would belong to a task that was not dropped, perhaps one that a
        // crash ended.
        assert_eq!(Rc::strong_count(&plan.fate), 2, "a conversation is still held by a task");
    }
    Ok(fates.broken_off())
}

/// A server's handler, which finds a connection's plan by its first byte.
fn answer(plans: Plans, upgrade: Option<Upgrade>) -> impl ClientConnected<Coroutine> {
    move |mut reader: StreamReader, mut writer: StreamWriter| {
        let (plans, upgrade) = (Rc::clone(&plans), upgrade.clone());
        async move {
            // The connection may be gone before the byte arrives.
            let Ok(number) = reader.readexactly(1).await else { return };
            let plan = plans.borrow()[usize::from(number[0])].clone();
            if let Some(upgrade) = upgrade {
                // The client sends nothing more before it has read this.
                writer.write(b"!");
                match upgrade(false, reader, writer).await {
                    Ok(upgraded) => (reader, writer) = upgraded,
                    Err(_error) => return plan.to_server.stop_hearing(),
                }
            }
            let talking = both_ways(&plan, reader, writer, &plan.to_server, &plan.to_client);
            plan.wires.in_steps(talking).await;
        }
    }
}

async fn connect(number: usize, kind: usize, plan: Plan, settings: Settings) {
    let dice = &plan.dice;
    sleep(dice.time()).await;
    if kind == 0 {
        return plan.wires.in_steps(pipe(&plan)).await.expect("a pipe can be had");
    }
    let both = async {
        let (reader, writer) = open(number, kind, &plan, &settings).await?;
        if kind > 1 {
            plan.fate.connected();
        }
        both_ways(&plan, reader, writer, &plan.to_client, &plan.to_server).await;
        io::Result::Ok(())
    };
    // Some conversations are dropped, whatever they are doing.
    let patience = if dice.once_in(8) { dice.time() * 4 } else { Duration::MAX };
    let given_up = async {
        plan.fate.is_given_up().await;
        None
    };
    let talking = race((async { timeout(patience, both).await.ok() }, given_up));
    match plan.wires.in_steps(talking).await {
        Some(Ok(())) => {}
        Some(Err(error)) => assert!(plan.may_fail, "connecting failed: {error}"),
        // The conversation may have been dropped before the server knew of it.
        None => plan.to_client.stop_hearing(),
    }
}

async fn open(
    number: usize,
    kind: usize,
    plan: &Plan,
    settings: &Settings,
) -> io::Result<(StreamReader, StreamWriter)> {
    let limit = 1 + plan.dice.below(5000);
    plan.to_client.set_limit(limit);
    let is_local = kind == 1;
    if !is_local {
        plan.fate.connecting();
    }
    let (mut reader, mut writer) = match is_local {
        true => open_unix_connection("/run/programs").limit(limit).await?,
        false => (settings.client)(open_connection(("server", 7)).limit(limit)).await?,
    };
    let client = writer.extra_info();
    match &settings.upgrade {
        Some(upgrade) if !is_local => {
            writer.write(&[number as u8]);
            reader.readexactly(1).await?;
            (reader, writer) = upgrade(true, reader, writer).await?;
            plan.wires.add_encrypted(client.sockname(), &plan.to_server, &plan.to_client);
        }
        _ if settings.is_encrypted && !is_local => {
            plan.wires.add_encrypted(client.sockname(), &plan.to_server, &plan.to_client);
            writer.write(&[number as u8]);
        }
        _ => {
            plan.wires.add_plain(client.sockname(), &plan.to_server, &plan.to_client);
            writer.write(&[number as u8]);
        }
    }
    Ok((reader, writer))
}

/// Both ends of a pipe.
async fn pipe(plan: &Plan) -> io::Result<()> {
    let (read_end, write_end) = plan.dice.0.pipe("client")?;
    plan.wires.add_pipe([&read_end, &write_end], &plan.to_server);
    let limit = 1 + plan.dice.below(5000);
    plan.to_server.set_limit(limit);
    let reader = open_read_pipe(read_end).limit(limit).await?;
    let writer = open_write_pipe(write_end).await?;
    let way = &plan.to_server;
    // A pipe cannot show whether an end is an orderly one.
    join(read(plan, reader, way, way), write(plan, writer, way)).await;
    Ok(())
}

/// Reads and writes at the same time, each to its end.
async fn both_ways(plan: &Plan, reader: StreamReader, writer: StreamWriter, from: &Direction, to: &Direction) {
    join(read(plan, reader, from, to), write(plan, writer, to)).await;
}
