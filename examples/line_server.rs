//! Echoes each line, in the most straightforward way. Lines that arrive together are answered together, since all
//! bytes that one step writes are sent with one system call.
//!
//!     cargo run --release --example line_server [ADDR]

mod serving;

use std::env;
use std::io;
use std::process::ExitCode;

use waterwheel::{StreamReader, StreamWriter, start_server};

async fn answer(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let line = reader.readline().await?;
        if line.is_empty() {
            return Ok(());
        }
        writer.write(&line);
        writer.drain().await?;
    }
}

async fn serve(address: &str) -> io::Result<()> {
    let server = start_server(answer, address).await?;
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
