//! An echo server that speaks TLS: each line comes back.
//!
//!     cargo run --features tls --example tls_echo_server [ADDR] --cert FILE --key FILE
//!
//! A certificate to try it with, which also serves as the client's `--ca`:
//!
//!     openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost -keyout key.pem -out cert.pem \
//!         -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE

mod arguments;
mod serving;

use std::io;
use std::process::ExitCode;

use waterwheel::{StreamReader, StreamWriter, TlsServer, start_server};

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    while let Some(line) = reader.next_line().await? {
        writer.write(&line);
        writer.drain().await?;
    }
    // The peer has ended the session, and ours ends with it.
    Ok(())
}

async fn serve(address: &str, cert: &str, key: &str) -> io::Result<()> {
    let tls = TlsServer::new(arguments::read(cert)?, arguments::read(key)?)?;
    let server = start_server(echo, address).tls(tls).await?;
    serving::serve(&server).await
}

fn main() -> ExitCode {
    env_logger::init();
    let options = ["--cert", "--key"];
    let Some((address, [cert, key])) = arguments::address_and_files("127.0.0.1:8888", options) else {
        eprintln!("usage: tls_echo_server [ADDR] --cert FILE --key FILE");
        return ExitCode::FAILURE;
    };
    match waterwheel::run(serve(&address, &cert, &key)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
