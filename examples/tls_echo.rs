//! A TLS echo server and its client, in one loop: each line comes back.
//!
//!     cargo run --features tls --example tls_echo -- --cert FILE --key FILE --ca FILE
//!
//! A certificate to try it with, which also serves as the client's `--ca`:
//!
//!     openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost -keyout key.pem -out cert.pem \
//!         -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE

mod arguments;

use std::io;
use std::process::ExitCode;

use waterwheel::{StreamReader, StreamWriter, TlsClient, TlsServer, open_connection, start_server};

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    while let Some(line) = reader.next_line().await? {
        writer.write(&line);
        writer.drain().await?;
    }
    // The peer has ended the session, and ours ends with it.
    Ok(())
}

async fn tls_echo(host: &str, cert: &str, key: &str, ca: &str) -> io::Result<()> {
    let tls = TlsServer::new(arguments::read(cert)?, arguments::read(key)?)?;
    let server = start_server(echo, ("127.0.0.1", 0)).tls(tls).await?;
    let port = server.local_addrs()[0].port();

    let tls = TlsClient::with_roots(arguments::read(ca)?)?;
    let (mut reader, writer) = open_connection((host, port)).tls(tls).await?;
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
    env_logger::init();
    let Some((host, [cert, key, ca])) = arguments::address_and_files("localhost", ["--cert", "--key", "--ca"]) else {
        eprintln!("usage: tls_echo [NAME] --cert FILE --key FILE --ca FILE");
        return ExitCode::FAILURE;
    };
    match waterwheel::run(tls_echo(&host, &cert, &key, &ca)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
