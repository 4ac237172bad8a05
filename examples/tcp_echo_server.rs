//! The echo server of asyncio's Streams page: reads up to 100 bytes, prints them, sends them back and closes.
//!
//!     cargo run --example tcp_echo_server [ADDR]

mod serving;

use std::env;
use std::io;
use std::process::ExitCode;

use waterwheel::{StreamReader, StreamWriter, start_server};

async fn handle_echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    let data = reader.read(100).await?;
    let message = String::from_utf8_lossy(&data);
    let peer = writer.peer_addr().map_or_else(|| "a peer without a name".to_owned(), |peer| peer.to_string());
    println!("Received {message:?} from {peer}");

    println!("Send: {message:?}");
    writer.write(&data);
    writer.drain().await?;

    println!("Close the connection");
    writer.close();
    writer.wait_closed().await
}

async fn serve(address: &str) -> io::Result<()> {
    let server = start_server(handle_echo, address).await?;
    serving::serve(&server).await
}

fn main() -> ExitCode {
    env_logger::init();
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match waterwheel::run(serve(&address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
