//! The client of `tls_echo_server`: sends a line and prints what comes back, and what the handshake agreed on.
//!
//!     cargo run --features tls --example tls_echo_client [ADDR] --ca FILE

mod arguments;

use std::io;
use std::process::ExitCode;

use waterwheel::{TlsClient, open_connection};

async fn tls_echo_client(address: &str, ca: &str) -> io::Result<()> {
    let (mut reader, writer) = open_connection(address).tls(TlsClient::with_roots(arguments::read(ca)?)?).await?;
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
    let Some((address, [ca])) = arguments::address_and_files("localhost:8888", ["--ca"]) else {
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
