//! A single-threaded event loop with streams, layered as Python's asyncio is: loop, transport, protocol, stream.
//!
//! An echo server is a coroutine per connection:
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
//! | callbacks on a connection | [`Protocol`], [`Transport`], [`LoopHandle::create_connection`], [`LoopHandle::create_server`] | the waist: bytes are pushed |
//! | callbacks on datagrams or pipes | [`LoopHandle::create_datagram_endpoint`], [`LoopHandle::connect_read_pipe`], [`LoopHandle::connect_write_pipe`] | the same waist for datagrams and pipes |
//! | callbacks on a descriptor of your own | [`LoopHandle::add_reader`], [`LoopHandle::readable`] | the loop says when, you read |
//! | callbacks and timers | [`LoopHandle::call_soon`], [`LoopHandle::call_later`] | the loop itself |
//! | a loop of another kind around it | [`EventLoop::turn`] | one turn at a time, from outside |
//! | tasks | [`spawn`], [`Task`], [`sleep()`], [`timeout()`], [`timeout_at`], [`yield_now`] | coroutines on the loop |
//! | both | [`Promise`] | a callback sets it, a coroutine awaits it |
//!
//! A stream is a protocol, and uses its transport only through the public traits; a task is stepped by the same queue
//! that runs callbacks. For speed, streams also use the loop's own buffers and its way of waking tasks, which are
//! private.
//!
//! Short answers to what programs need first are [`recipes`].
//!
//! # What to know
//!
//! * **One thread.** A loop, its handle, tasks and streams stay on their thread, so handlers share state by `Rc` and
//!   `Cell`. A [`RemoteHandle`] and wakers reach the loop from other threads. A loop per thread uses several cores.
//! * **Writes of one step are one system call.** A *step* is one callback, or one poll of a task. What it writes is
//!   gathered, and handed to the kernel when it ends, before anything else runs. So the plain loop of `readline`,
//!   `write` and `drain` answers all the lines that came together with one send.
//! * **Backpressure.** [`write`](StreamWriter::write) never waits; [`drain`](StreamWriter::drain) waits while the peer
//!   is behind by more than 64 KiB. Above twice its limit a reader receives no more, which holds the peer back.
//! * **Every wait is cancel-safe.** Drop any future of this crate where it waits, as [`timeout()`] does: no byte is
//!   lost, and the object can be used again.
//! * **Errors** are `io::Error`, or a small type that converts into it. An error that nobody awaits becomes an
//!   [`Incident`], which goes to the handler of [`LoopHandle::set_exception_handler`]. Without a handler it is logged,
//!   and while the program has installed no logger, it is printed on standard error.
//! * **What hangs or is slow** is told by [`LoopHandle::dump_tasks`], by [debug mode](LoopHandle::set_debug), for which
//!   `WATERWHEEL_DEBUG=1` in the environment is enough, by [`LoopHandle::metrics`], and by a [trace](Builder::trace).
//! * **Panics** of a callback, a protocol or a task are reported, and end only that one. The loop goes on.
//! * **Signals** come with the feature `signals`: `add_signal_handler` of the loop, `ctrl_c()`, and a stream of signals.
//!   [`Server::serve_until`] serves until something is ready, such as `ctrl_c()`, and then ends in order.
//! * **Child processes** come with the feature `process`: `create_subprocess_exec` gives one with its standard streams as
//!   streams, and `subprocess_exec` of the loop one whose events go to a protocol.
//! * **TLS** comes with the feature `tls`: `.tls(..)` on whatever connects or serves, and `start_tls` in the middle.
//! * **Traits of other crates** come with a feature each: `futures-io`, `tokio-io` and `hyper` on readers, writers and
//!   [`Connection`]s, with what hyper needs of a runtime besides; `futures-core` for streams of lines, of connections, of
//!   ticks and of signals. What one step writes through them is one system call, too, and closing through them is ours.
//!
//! Channels and locks of `futures`, `async-channel` or `tokio::sync` work here, since a waker may be used from any
//! thread. The chapter [`synchronization`] shows the crate that serves for each of asyncio's primitives.
//!
//! # Coming from asyncio
//!
//! Names are asyncio's where Rust allows; searching these pages for an asyncio name finds what it is called here, and
//! [`coming_from::asyncio`] has all of them in tables. Keyword arguments are methods: `open_connection(host, port, limit=n)`
//! is `open_connection((host, port)).limit(n).await`. Cancelling a task drops its future where it waits, where asyncio
//! raises an exception. `ARCHITECTURE.md` has the list of what differs on purpose.
//!
//! # Coming from tokio
//!
//! [`coming_from::tokio`] has what each of its names is here.

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
