//! The client of `tls_echo_server`: sends a line and prints what comes back, and what the handshake agreed on.
//!
//!     cargo run --features tls --example tls_echo_client [ADDR] --ca FILE

use std::env;
use std::fs;
use std::io;
use std::process::ExitCode;

use waterwheel::{TlsClient, open_connection};

async fn tls_echo_client(address: &str, ca: &str) -> io::Result<()> {
    let pem = fs::read(ca).map_err(|error| io::Error::new(error.kind(), format!("{ca}: {error}")))?;
    let (mut reader, writer) = open_connection(address).tls(TlsClient::with_roots(pem)?).await?;
    if let Some(tls) = writer.extra_info().tls() {
        println!("Secured by {:?}, {:?}", tls.protocol_version(), tls.cipher_suite());
    }

    let message = "Hello World!\n";
    println!("Send: {message:?}");
    writer.write_all(message.as_bytes()).await?;

    let line = reader.readline().await?;
    println!("Received: {:?}", String::from_utf8_lossy(&line));

    println!("Close the connection");
    writer.close();
    writer.wait_closed().await
}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (mut address, mut ca) = ("localhost:8888".to_owned(), None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--ca" => ca = arguments.next(),
            _ => address = argument,
        }
    }
    let Some(ca) = ca else {
        eprintln!("usage: tls_echo_client [ADDR] --ca FILE");
        return ExitCode::FAILURE;
    };
    match waterwheel::run(tls_echo_client(&address, &ca)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
