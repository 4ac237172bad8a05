//! An echo server that ends in order at Ctrl-C: it accepts nobody any more, gives those who are there three seconds to
//! finish, and says how they ended. A second Ctrl-C ends it at once.
//!
//!     cargo run --features signals --example graceful [ADDR]

use std::env;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use waterwheel::{StreamReader, StreamWriter, ctrl_c, start_server};

const GRACE: Duration = Duration::from_secs(3);

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    while !reader.at_eof() {
        let data = reader.read(1024).await?;
        writer.write(&data);
        writer.drain().await?;
    }
    Ok(())
}

async fn serve(address: &str) -> io::Result<()> {
    let server = start_server(echo, address).await?;
    for address in server.local_addrs() {
        println!("Serving on {address}");
    }
    let report = server.serve_until(ctrl_c(), GRACE).await?;
    println!("{} finished, {} closed, {} aborted", report.finished, report.closed, report.aborted);
    Ok(())
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
