//! The visitors, the hosts, and the report of their conversations.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::signal_hook::consts::{SIGTERM, SIGUSR1};
use waterwheel::{Server, gather, get_running_loop, signals, spawn, start_server, start_unix_server};

use crate::plan::Plan;
use crate::talk::{Outcome, RECEIVED, host, visit};
use crate::wire::{HANDSHAKE, Place, Wire, pipes, tls_server};

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How many visitors there are at a time. If there are more, they come in waves.
const WAVE: u64 = 100;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Command {
    Both { wire: Wire, connections: u64, most: u64, seed: u64 },
    Serve { wire: Wire, at: IpAddr },
    Visit { wire: Wire, address: SocketAddr, connections: u64, most: u64, seed: u64 },
}

pub(crate) async fn act(command: Command) -> io::Result<()> {
    let heard = Rc::new(RefCell::new(0_u64));
    let counting = Rc::clone(&heard);
    get_running_loop().add_signal_handler(SIGUSR1, move || *counting.borrow_mut() += 1)?;
    // A signal would end a program that no longer listens for it, so the program reports when it begins and stops
    // listening.
    let mut stop = match std::env::var_os("FAULTS_SIGNALS") {
        Some(_) => Some(signals(&[SIGTERM])?),
        None => None,
    };
    if stop.is_some() {
        say("listening");
    }
    let hosts = Hosts::default();
    let visitors = match command {
        Command::Both { wire: Wire::Pipes, connections, most, seed } => {
            let talks = (0..connections).map(|number| over_pipes(Plan { number, most, seed }, hosts.clone()));
            gather(talks).await.map_err(io::Error::other)?
        }
        Command::Both { wire, connections, most, seed } => {
            let (server, place) = hosts.serve(wire, LOOPBACK).await?;
            let visitors = visit_all(wire, &place, connections, most, seed).await?;
            server.shutdown(Duration::from_secs(20)).await;
            visitors
        }
        Command::Serve { wire, at } => {
            let mut stop = signals(&[SIGTERM])?;
            let (server, place) = hosts.serve(wire, at).await?;
            if let Place::Tcp(address) | Place::Tls(address) = place {
                say(&format!("Serving on {address}"));
            }
            server.serve_until(async move { stop.next().await }, Duration::ZERO).await?;
            Vec::new()
        }
        Command::Visit { wire, address, connections, most, seed } => {
            let place = if wire == Wire::Tls { Place::Tls(address) } else { Place::Tcp(address) };
            visit_all(wire, &place, connections, most, seed).await?
        }
    };
    if let Command::Both { wire, .. } = command {
        look_for_hidden_losses(wire, &visitors, &hosts.outcomes.borrow());
    }
    let hosts = hosts.outcomes.take();
    let mut said = Tally::default();
    said.take_in(visitors.into_iter().map(|(_, outcome)| outcome));
    said.take_in(hosts.into_iter().map(|(_, outcome)| outcome));
    let (heard, Tally { whole, aborted, cut, reset, failed }) = (*heard.borrow(), said);
    let received = RECEIVED.get();
    say(&format!(
        "{whole} whole, {aborted} aborted, {cut} cut, {reset} reset, {failed} failed, {heard} signals, {received} bytes"
    ));
    if let Some(stop) = &mut stop {
        say("done");
        stop.next().await;
    }
    let is_tolerant = std::env::var_os("FAULTS_TOLERANT").is_some() || matches!(command, Command::Serve { .. });
    if failed > 0 && !is_tolerant { Err(io::Error::other("a conversation failed")) } else { Ok(()) }
}

/// Prints a line. The call may be made to fail, and then there is no one to report that to.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Makes this many visits, and returns how each of them ended, by number.
async fn visit_all(wire: Wire, place: &Place, connections: u64, most: u64, seed: u64) -> io::Result<Vec<Ended>> {
    let mut ended = Vec::new();
    while (ended.len() as u64) < connections {
        let begun = ended.len() as u64;
        let visits = (begun..connections.min(begun + WAVE)).map(|number| {
            let (plan, place) = (Plan { number, most, seed }, place.clone());
            async move {
                match place.connect().await {
                    Ok((reader, writer)) => (Some(plan), visit(plan, reader, writer, wire).await),
                    Err(error) => (Some(plan), Outcome::Failed(error)),
                }
            }
        });
        ended.extend(gather(visits).await.map_err(io::Error::other)?);
    }
    Ok(ended)
}

async fn over_pipes(plan: Plan, hosts: Hosts) -> Ended {
    match pipes().await {
        Ok([(reader, writer), (host_reader, host_writer)]) => {
            let hosting = spawn(host(host_reader, host_writer, Wire::Pipes));
            let outcome = visit(plan, reader, writer, Wire::Pipes).await;
            match hosting.await {
                Ok(ended) => hosts.outcomes.borrow_mut().push(ended),
                Err(error) => panic!("a host did not end: {error}"),
            }
            (Some(plan), outcome)
        }
        Err(error) => (Some(plan), Outcome::Failed(error)),
    }
}

/// A conversation's plan, if it is known, and how the conversation ended.
type Ended = (Option<Plan>, Outcome);

/// The hosts, and how their conversations ended.
#[derive(Clone, Default)]
struct Hosts {
    outcomes: Rc<RefCell<Vec<Ended>>>,
}

impl Hosts {
    async fn serve(&self, wire: Wire, at: IpAddr) -> io::Result<(Server, Place)> {
        let outcomes = Rc::clone(&self.outcomes);
        let handler = move |reader, writer| {
            let outcomes = Rc::clone(&outcomes);
            async move {
                let ended = host(reader, writer, wire).await;
                outcomes.borrow_mut().push(ended);
            }
        };
        let inet = SocketAddr::new(at, 0);
        Ok(match wire {
            Wire::Tcp => {
                let server = start_server(handler, inet).await?;
                let address = server.local_addrs()[0];
                (server, Place::Tcp(address))
            }
            Wire::Tls => {
                let server = start_server(handler, inet).tls(tls_server()?).tls_handshake_timeout(HANDSHAKE).await?;
                let address = server.local_addrs()[0];
                (server, Place::Tls(address))
            }
            Wire::Unix => {
                let path = std::env::temp_dir().join(format!("waterwheel-faults-{}", std::process::id()));
                (start_unix_server(handler, &path).await?, Place::Unix(PathBuf::from(&path)))
            }
            Wire::Pipes => return Err(io::Error::other("nobody can connect to a pipe")),
        })
    }
}

/// In no conversation may one side have given up bytes and the other have seen an orderly end.
fn look_for_hidden_losses(wire: Wire, visitors: &[Ended], hosts: &[Ended]) {
    if !wire.tells_of_loss() {
        return;
    }
    let by_number = |ended: &'_ [Ended]| -> BTreeMap<u64, (bool, bool)> {
        let gave_up = |outcome: &Outcome| matches!(outcome, Outcome::Aborted { gave_up: true });
        let clean = |outcome: &Outcome| matches!(outcome, Outcome::Cut { clean: true });
        let known = ended.iter().filter_map(|(plan, outcome)| Some((plan.as_ref()?, outcome)));
        known.map(|(plan, outcome)| (plan.number, (gave_up(outcome), clean(outcome)))).collect()
    };
    let (visitors, hosts) = (by_number(visitors), by_number(hosts));
    for (number, visitor) in &visitors {
        let Some(host) = hosts.get(number) else { continue };
        if (visitor.0 && host.1) || (host.0 && visitor.1) {
            eprintln!(
                "VIOLATION: in conversation {number} bytes were given up, and the other side saw an end in order"
            );
            std::process::exit(4);
        }
    }
}

#[derive(Default)]
struct Tally {
    whole: usize,
    aborted: usize,
    cut: usize,
    /// How many of the cut conversations ended with an error on this side.
    reset: usize,
    failed: usize,
}

impl Tally {
    fn take_in(&mut self, outcomes: impl Iterator<Item = Outcome>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Whole => self.whole += 1,
                Outcome::Aborted { .. } => self.aborted += 1,
                Outcome::Cut { clean } => {
                    self.cut += 1;
                    self.reset += usize::from(!clean);
                }
                Outcome::Failed(error) => {
                    self.failed += 1;
                    say(&format!("failed: {error}"));
                }
            }
        }
    }
}
