//! A simulated network that runs programs unchanged: the same loop, transports, servers and streams, on a clock that
//! jumps and on connections whose failures a seed decides.
//!
//! A [`Sim`] is a world of hosts. Each has its own loop, a name, and addresses; all run on one thread, turn by turn,
//! and time passes when no host has anything to do. So an hour of retries takes a moment, and everything that happens
//! in a run happens again with the same seed: the order of events, each short read, the moment of each reset.
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
//! # Using it in tests
//!
//! [`check`] runs a test with many seeds. For a seed that fails, it reports the error, what each task of each host
//! waited for, the few faults that the failure needs, and a command that runs it again. `examples/sim_lines.rs` finds
//! the bug in a protocol that takes the result of one read for a whole line; `examples/sim_chat.rs` is a chat whose
//! network falls apart again and again.
//!
//! * [`Faults`] sets how the network behaves: [`Faults::benign`] has only faults that a correct program does not
//!   notice, [`Faults::harsh`] also those after which it has to try again. [`Sim::count`] tells how often each fault
//!   happened; a test that meets no fault proves little.
//! * [`SimHandle`] changes the world from within: partitions, crashes, names, descriptor limits.
//! * When nothing can ever happen again and a client is not done, [`Sim::run`] fails with
//!   [`Deadlock`](FailureKind::Deadlock) and prints all task trees, so no test hangs.
//! * [`Sim::run_for`] and [`Sim::dump_tasks`] show whether something is left behind: a task, a timer, a connection.
//!
//! # What is simulated
//!
//! TCP connections with segments, windows, half-closes and resets; listeners with a backlog; attempts to connect that
//! are repeated, refused, or never answered; datagrams that arrive twice, late, or not at all; Unix sockets and pipes
//! within a host; name look-ups; descriptors, which are limited and use the lowest free number. Everything above is
//! real: the transports, TLS, servers and streams do not know that the network is simulated. A turn of a loop takes
//! some microseconds of simulated time, so that a task that only yields does not stop time.
//!
//! Work on a thread ([`to_thread`](crate::to_thread)) runs on a real thread, one job at a time, and takes no
//! simulated time. A simulated host has no signals, child processes or system descriptors: using them is an error of
//! the kind `Unsupported`.
//!
//! Programs that use other sources of randomness or time (`HashMap`'s order, `Instant::now`, random keys) may take a
//! different course in each run. [`SimHandle::random`] and [`LoopHandle::time`](crate::LoopHandle::time) are decided
//! by the simulation. TLS is reproducible if its messages have a fixed length, as they do with Ed25519 keys, but not
//! with ECDSA keys, whose signatures vary in length.
//!
//! One core processes one to three million small events per second. An event touches only the hosts that it concerns,
//! so a hundred hosts are hardly slower than two (`cargo bench --manifest-path benches/micro/Cargo.toml --bench parts
//! -- simulation`).

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
