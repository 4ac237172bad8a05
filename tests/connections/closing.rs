//! The end of a connection: which callbacks run, what still arrives, and when the socket is closed.

mod background;
#[cfg(target_os = "linux")]
mod lingering;
mod replies;
mod told;
#[cfg(target_os = "linux")]
mod truncation;

use waterwheel::{ClientConnected, Server, start_server};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

async fn start<M>(handler: impl ClientConnected<M>) -> Server {
    start_server(handler, "127.0.0.1:0").await.unwrap()
}
