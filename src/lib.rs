//! A single-threaded event loop with streams, layered like Python's asyncio: loop, transport, protocol, stream.
//!
//! An echo server with one coroutine per connection:
//!
//! ```no_run
//! use waterwheel::{StreamReader, StreamWriter, start_server};
//!
//! async fn echo(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
//!     while !reader.at_eof() {
//!         let data = reader.read(1024).await?;
//!         writer.write(&data);
//!         writer.drain().await?;
//!     }
//!     Ok(())
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     waterwheel::run(async { start_server(echo, "127.0.0.1:8888").await?.serve_forever().await })
//! }
//! ```
//!
//! # The layers
//!
//! | you write | you use | what it is |
//! | --- | --- | --- |
//! | coroutines | [`open_connection`], [`start_server`], [`open_read_pipe`], [`open_write_pipe`], [`StreamReader`], [`StreamWriter`] | streams: awaiting bytes |
//! | callbacks on a connection | [`Protocol`], [`Transport`], [`LoopHandle::create_connection`], [`LoopHandle::create_server`] | bytes are pushed to you |
//! | callbacks on datagrams or pipes | [`LoopHandle::create_datagram_endpoint`], [`LoopHandle::connect_read_pipe`], [`LoopHandle::connect_write_pipe`] | the same for datagrams and pipes |
//! | callbacks on a descriptor of your own | [`LoopHandle::add_reader`], [`LoopHandle::readable`] | the loop says when it is ready, and you read |
//! | callbacks and timers | [`LoopHandle::call_soon`], [`LoopHandle::call_later`] | the loop itself |
//! | another kind of loop around this one | [`EventLoop::turn`] | one turn at a time, driven from outside |
//! | tasks | [`spawn`], [`Task`], [`sleep()`], [`timeout()`], [`timeout_at`], [`yield_now`] | coroutines on the loop |
//! | both callbacks and coroutines | [`Promise`] | a callback sets it, a coroutine awaits it |
//!
//! A stream is a protocol that uses its transport only through the public traits, and tasks run from the same queue
//! as callbacks. For speed, streams also use two private parts of the loop: its buffers and its way of waking tasks.
//!
//! [`recipes`] has short answers to the first questions of most programs.
//!
//! # What to know
//!
//! * **One thread.** A loop, its handle, its tasks and its streams stay on one thread, so handlers share state
//!   through `Rc` and `Cell`. Other threads reach the loop through a [`RemoteHandle`] or a waker. To use several
//!   cores, run one loop per thread.
//! * **The writes of one step are one system call.** A *step* is one callback or one poll of a task. Everything it
//!   writes is gathered, and handed to the kernel when the step ends, before anything else runs. A plain loop of
//!   `readline`, `write` and `drain` therefore answers all lines that arrived together with one send.
//! * **Backpressure.** [`write`](StreamWriter::write) never waits; [`drain`](StreamWriter::drain) waits while the
//!   peer is more than 64 KiB behind. A reader that holds more than twice its limit stops receiving, which holds the
//!   peer back.
//! * **Every wait is cancel-safe.** Any future of this crate may be dropped while it waits, as [`timeout()`] does: no
//!   byte is lost, and the object can be used again.
//! * **Errors** are an `io::Error`, or a small type that converts into one. An error that nobody awaits becomes an
//!   [`Incident`], which goes to the handler set by [`LoopHandle::set_exception_handler`]. Without a handler it is
//!   logged or, if the program has installed no logger, printed to standard error.
//! * **To find what hangs or is slow**, use [`LoopHandle::dump_tasks`], [debug mode](LoopHandle::set_debug), which
//!   `WATERWHEEL_DEBUG=1` in the environment switches on, [`LoopHandle::metrics`], or a [trace](Builder::trace).
//! * **A panic** in a callback, a protocol or a task is reported and ends only that callback, protocol or task. The
//!   loop goes on.
//! * **Signals** come with the feature `signals`: the loop's `add_signal_handler`, `ctrl_c()`, and a stream of
//!   signals. [`Server::serve_until`] serves until a future such as `ctrl_c()` is ready, and then shuts down
//!   gracefully.
//! * **Child processes** come with the feature `process`: `create_subprocess_exec` starts one with its standard
//!   streams as waterwheel streams, and the loop's `subprocess_exec` one whose events go to a protocol.
//! * **TLS** comes with the feature `tls`: `.tls(..)` on everything that connects or serves, and `start_tls` for a
//!   connection that is already open.
//! * **Traits of other crates** come with one feature each: `futures-io`, `tokio-io` and `hyper` for readers, writers
//!   and [`Connection`]s, with the executor and the timer that hyper needs; `futures-core` for streams of lines,
//!   connections, ticks and signals. The writes of one step are one system call through these traits, too, and
//!   closing through them works as it does without them.
//!
//! Channels and locks of `futures`, `async-channel` or `tokio::sync` work here, since a waker may be used from any
//! thread. The chapter [`synchronization`] shows which crate to use for each of asyncio's primitives.
//!
//! # Coming from asyncio
//!
//! Names are asyncio's where Rust allows. Searching these pages for an asyncio name finds its counterpart here, and
//! [`coming_from::asyncio`] has all of them in tables. Keyword arguments are methods: `open_connection(host, port,
//! limit=n)` is `open_connection((host, port)).limit(n).await`. Cancelling a task drops its future where it waits,
//! whereas asyncio raises an exception there. `ARCHITECTURE.md` lists the intentional differences.
//!
//! # Coming from tokio
//!
//! [`coming_from::tokio`] has the counterpart of each of tokio's names.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapters;
pub mod coming_from;
mod constants;
mod debug;
mod errors;
mod event_loop;
mod executor;
mod handle;
mod interface;
mod introspection;
mod net;
mod place;
mod promise;
mod reactor;
pub mod recipes;
mod report;
pub mod resources;
mod runner;
#[cfg(feature = "signals")]
mod signals;
#[cfg(feature = "sim")]
pub mod sim;
mod slots;
mod streams;
#[cfg_attr(waterwheel_loom, path = "../tests/loom/sync.rs")]
mod sync;
pub mod synchronization;
mod task;
pub mod testing;
mod threads;
mod time;
mod timers;
#[cfg(feature = "tls")]
mod tls;
mod trace;
mod transports;

#[cfg(feature = "futures-core")]
pub use adapters::{Incoming, Lines, incoming};
#[cfg(feature = "hyper")]
pub use adapters::{LoopExecutor, LoopTimer};
pub use errors::{ConnectionError, JoinError, PanicPayload, ReadError, TimedOut};
pub use event_loop::{
    Builder, Clock, EventLoop, Incident, LoopHandle, Metrics, RemoteHandle, SystemClock, TimerHandle, Turned,
    get_running_loop, try_get_running_loop,
};
pub use handle::Handle;
pub use interface::{
    Address, AfterEof, BufferedProtocol, DatagramProtocol, DatagramTransport, ExtraInfo, Protocol, ReceiveBuffer,
    Transport,
};
#[cfg(feature = "process")]
pub use interface::{ChildPipe, SubprocessProtocol, SubprocessTransport};
pub use introspection::{
    Hung, JobDump, LoopDump, NoDump, RunningStep, TaskDump, TaskState, TimerDump, WaitDump, current_task,
};
pub use net::port as network;
pub use net::{
    ConnectError, CreateConnection, CreateDatagramEndpoint, CreateServer, Endpoint, Family, GetAddrInfo, LookUpError,
    LookUpErrorKind, Server, ShutdownReport,
};
pub use promise::Promise;
pub use reactor::{Bell, Events, Readiness, Selector, Token};
pub use runner::run;
#[cfg(feature = "tls")]
pub use rustls;
#[cfg(feature = "signals")]
pub use signal_hook;
#[cfg(feature = "signals")]
pub use signals::{CtrlC, Signals, ctrl_c, signals};
pub use streams::{
    ClientConnected, Connection, Coroutine, FallibleCoroutine, OpenConnection, OpenReadPipe, OpenWritePipe, Plain,
    Separators, StartServer, StreamFeeder, StreamReader, StreamWriter, copy, copy_bidirectional, open_connection,
    open_read_pipe, open_unix_connection, open_write_pipe, start_server, start_unix_server,
};
#[cfg(feature = "process")]
pub use streams::{Process, create_subprocess_exec};
pub use task::{
    AsCompleted, CancelOnDrop, ExecutorBusy, Gather, GroupError, Racers, RemoteTask, Task, TaskFailure, TaskGroup,
    TaskId, ToThread, TryGather, Until, Wait, YieldNow, as_completed, gather, race, spawn, to_thread, try_gather, wait,
    yield_now,
};
pub use time::{Interval, MissedTicks, Sleep, Timeout, interval, interval_at, sleep, sleep_until, timeout, timeout_at};
#[cfg(feature = "tls")]
pub use tls::{StartTls, StartTlsStreams, TlsClient, TlsError, TlsErrorKind, TlsInfo, TlsRole, TlsServer, start_tls};
