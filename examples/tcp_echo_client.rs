//! The echo client of asyncio's Streams page.
//!
//!     cargo run --example tcp_echo_client [ADDR] [MESSAGE]

use std::env;
use std::process::ExitCode;

use waterwheel::open_connection;

async fn tcp_echo_client(address: &str, message: &str) -> std::io::Result<()> {
    let (mut reader, writer) = open_connection(address).await?;

    println!("Send: {message:?}");
    writer.write(message.as_bytes());
    writer.drain().await?;

    let data = reader.read(100).await?;
    println!("Received: {:?}", String::from_utf8_lossy(&data));

    println!("Close the connection");
    writer.close();
    writer.wait_closed().await
}

fn main() -> ExitCode {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let message = env::args().nth(2).unwrap_or_else(|| "Hello World!".to_owned());
    match waterwheel::run(tcp_echo_client(&address, &message)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
