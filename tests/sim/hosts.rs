//! Hosts that many tests use.

use std::io;
use std::time::Duration;

use waterwheel::sim::Sim;
use waterwheel::{StreamReader, StreamWriter, sleep, start_server};

/// Sends back everything, and ends its side when the peer does.
pub(crate) async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    waterwheel::copy(&mut reader, &writer).await?;
    if writer.can_write_eof() {
        writer.write_eof();
    }
    Ok(())
}

/// Adds a host that echoes at port 7.
pub(crate) fn add_echo(sim: &mut Sim, name: &str) {
    sim.host(name, || async { start_server(echo, "0.0.0.0:7").await?.serve_forever().await });
}

/// Lets the servers start.
pub(crate) async fn a_moment() {
    sleep(Duration::from_millis(10)).await;
}

/// Bytes that depend on their positions, so that a lost, doubled or misplaced byte shows.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect()
}
