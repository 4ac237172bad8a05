//! Streams: a connection as a reader and a writer that coroutines await.
//!
//! [`StreamReader`] and [`StreamWriter`] share one [`StreamProtocol`](protocol::StreamProtocol). The transport knows
//! only that protocol, and a stream uses its transport only through the traits of `interface`. Streams also use private
//! parts of the loop: its pool of receive buffers, its list of what to send at the end of a step, and the executor's
//! waiters and budget. Streams could be written outside of this crate with the public API alone, but each message would
//! cost a copy and an atomic wake.

mod both;
mod connection;
mod copy;
mod feeder;
mod newline;
mod open;
mod pipes;
#[cfg(feature = "process")]
mod process;
mod protocol;
mod reader;
mod separators;
mod serve;
#[cfg(feature = "tls")]
mod take_apart;
mod writer;

pub use connection::Connection;
pub use copy::{copy, copy_bidirectional};
pub use feeder::StreamFeeder;
pub use open::{OpenConnection, open_connection, open_unix_connection};
pub use pipes::{OpenReadPipe, OpenWritePipe, open_read_pipe, open_write_pipe};
#[cfg(feature = "process")]
pub use process::{Process, create_subprocess_exec};
pub(crate) use protocol::{StreamProtocol, pair};
pub use reader::StreamReader;
pub use separators::Separators;
pub use serve::{ClientConnected, Coroutine, FallibleCoroutine, Plain, StartServer, start_server, start_unix_server};
#[cfg(feature = "tls")]
pub(crate) use take_apart::{assert_of_one_connection, take_apart};
pub use writer::StreamWriter;
