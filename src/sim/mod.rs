//! A simulated network, on which a program runs as it is: the same loop, transports, servers and streams, on a clock that
//! jumps and on connections that fail as a seed says.
//!
//! A [`Sim`] is a world of hosts. Each has a loop of its own, a name, and addresses; all run on one thread, turn by turn, and
//! time passes when none has anything to do. So an hour of retries takes a moment, and whatever happens once happens
//! again with the same seed: the order of events, each short read, the moment of each reset.
//!
//! ```
//! use std::time::Duration;
//! use waterwheel::sim::{Faults, Sim};
//! use waterwheel::{StreamReader, StreamWriter, open_connection, sleep, start_server};
//!
//! // The program, as it would run anywhere.
//! async fn shout(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
//!     while let Some(line) = reader.next_line().await? {
//!         writer.write(&line.to_ascii_uppercase());
//!         writer.drain().await?;
//!     }
//!     Ok(())
//! }
//!
//! let mut sim = Sim::new(7);
//! sim.set_faults(Faults::benign()); // bytes come in pieces of any size, and late
//! sim.host("server", || async { start_server(shout, "0.0.0.0:7").await?.serve_forever().await });
//! sim.client("client", async {
//!     sleep(Duration::from_secs(1)).await; // until the server listens
//!     let (mut reader, writer) = open_connection(("server", 7)).await?;
//!     writer.write(b"the wheel turns\n");
//!     assert_eq!(reader.readline().await?, b"THE WHEEL TURNS\n");
//!     std::io::Result::Ok(())
//! });
//! sim.run()?;
//! # Ok::<(), waterwheel::sim::Failure>(())
//! ```
//!
//! # What a test does with it
//!
//! [`check`] runs a test with many seeds. Of one that fails it says the error, what each task of each host waited for, the
//! few faults that the failure needs, and a command that runs it again. `examples/sim_lines.rs` finds the fault of a
//! protocol that takes what one read brings for a whole line; `examples/sim_chat.rs` is a chat whose network falls apart
//! again and again.
//!
//! * [`Faults`] says what the network does: [`Faults::benign`] is for a program that has to get through without noticing,
//!   [`Faults::harsh`] for one that tries again. [`Sim::count`] tells how often each happened; a test that no fault
//!   reaches proves little.
//! * [`SimHandle`] changes the world from within: partitions, crashes, names, limits of descriptors.
//! * When nothing can ever happen again and a client is not done, [`Sim::run`] fails with
//!   [`Deadlock`](FailureKind::Deadlock) and all task trees. No test hangs.
//! * [`Sim::run_for`] and [`Sim::dump_tasks`] show whether something is left behind: a task, a timer, a connection.
//!
//! # What is simulated
//!
//! Connections of TCP with segments, windows, half-closes and resets; listeners with a backlog; attempts to connect that are
//! repeated, refused, or never answered; datagrams, which come twice, late, or not at all; Unix sockets and pipes within a
//! host; look-ups of names; descriptors that run out, the lowest free number first. Above that is the real thing: the
//! transports, TLS, servers and streams know nothing of it. A turn of a loop takes some microseconds, so that a task which
//! only yields does not stop the time.
//!
//! Work on a thread ([`to_thread`](crate::to_thread)) is real, and takes no simulated time; of several jobs one is done at
//! a time. Signals, child processes and descriptors of the system have no place in a simulated host, and are errors of the
//! kind `Unsupported`.
//!
//! Programs that use chance or time of their own (`HashMap`'s order, `Instant::now`, random keys) may take another course in
//! each run. [`SimHandle::random`] and [`LoopHandle::time`](crate::LoopHandle::time) are the simulation's. TLS is decided by
//! the seed as far as its messages have one length; signatures of ECDSA keys do not, those of Ed25519 keys do.
//!
//! One core does one to three million small events in a second. An event costs only what it changes, so a hundred hosts are
//! hardly slower than two (`cargo bench --manifest-path benches/micro/Cargo.toml --bench parts -- simulation`).

mod agenda;
mod awake;
mod bell;
mod check;
mod clock;
mod cluster;
mod connect;
mod datagrams;
mod decisions;
mod desk;
mod end;
mod failure;
mod faults;
mod handle;
mod host;
mod inbox;
mod line;
mod links;
mod listener;
mod machine;
mod network;
mod random;
mod run;
mod schedule;
mod selector;
mod shrink;
mod side;
mod silence;
mod world;

pub use check::check;
pub use failure::{Failure, FailureKind};
pub use faults::{Fault, Faults};
pub use handle::SimHandle;
pub use host::Outcome;
pub use run::Sim;
