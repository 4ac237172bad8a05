//! waterwheel
mod constants;
mod errors;
mod event_loop;
mod executor;
mod flow_control;
mod handle;
mod interface;
mod net;
mod promise;
mod reactor;
mod runner;
mod streams;
mod task;
pub mod testing;
mod time;
mod timers;

pub use errors::{ConnectionError, JoinError, ReadError, TimedOut};
pub use event_loop::{
    Builder, Clock, EventLoop, Incident, LoopHandle, RemoteHandle, SystemClock, TimerHandle, get_running_loop,
    try_get_running_loop,
};
pub use handle::Handle;
pub use interface::{Address, AfterEof, BufferedProtocol, ExtraInfo, Protocol, ReceiveBuffer, Transport};
pub use net::{CreateConnection, CreateServer, Endpoint, Server};
pub use promise::Promise;
pub use reactor::{Bell, Readiness, Selector, Token};
pub use runner::run;
pub use streams::{
    ClientConnected, Coroutine, FallibleCoroutine, OpenConnection, Plain, Separators, StartServer, StreamFeeder,
    StreamReader, StreamWriter, open_connection, start_server,
};
pub use task::{Task, YieldNow, spawn, yield_now};
pub use time::{Sleep, Timeout, sleep, sleep_until, timeout};
