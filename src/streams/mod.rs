//! Streams: a connection as a reader and a writer that coroutines await.
//!
//! A star: [`StreamReader`] and [`StreamWriter`] each hold one [`StreamProtocol`](protocol::StreamProtocol), which is
//! what the transport knows of them.

mod background;
mod feeder;
mod newline;
mod open;
mod protocol;
mod reader;
mod separators;
mod serve;
#[cfg(feature = "tls")]
mod take_apart;
mod writer;

pub use feeder::StreamFeeder;
pub use open::{OpenConnection, open_connection, open_unix_connection};
pub use reader::StreamReader;
pub use separators::Separators;
pub use serve::{ClientConnected, Coroutine, FallibleCoroutine, Plain, StartServer, start_server, start_unix_server};
pub use writer::StreamWriter;
#[cfg(feature = "tls")]
pub(crate) use {
    protocol::{StreamProtocol, pair},
    take_apart::{assert_of_one_connection, take_apart},
};
