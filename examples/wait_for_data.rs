//! Registers an open socket to wait for data, with streams. `watch_fd` does the same with a callback.
//!
//!     cargo run --example wait_for_data

use std::io::{self, Write};
use std::os::unix::net::UnixStream;

use waterwheel::{get_running_loop, open_connection};

async fn wait_for_data() -> io::Result<()> {
    let (ours, mut theirs) = UnixStream::pair()?;
    let (mut reader, writer) = open_connection(ours).await?;

    // Simulates the arrival of data from the network.
    get_running_loop().call_soon(move || theirs.write_all(b"abc").expect("there is room for three bytes"));

    let data = reader.read(100).await?;
    println!("Received: {}", String::from_utf8_lossy(&data));
    writer.close();
    Ok(())
}

fn main() -> io::Result<()> {
    waterwheel::run(wait_for_data())
}
