//! Echo until the end of the stream, with streams. `echo_protocol` is the same server one layer below.
//!
//!     cargo run --release --example echo_streams [ADDR]

mod serving;

use std::env;
use std::io;
use std::process::ExitCode;

use waterwheel::{StreamReader, StreamWriter, start_server};

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let data = reader.fill_buf().await?;
        if data.is_empty() {
            return Ok(()); // dropping the writer closes the connection
        }
        writer.write(data);
        let n = data.len();
        reader.consume(n);
        writer.drain().await?;
    }
}

async fn serve(address: &str) -> io::Result<()> {
    let server = start_server(echo, address).await?;
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
