//! TLS that starts in the middle of a conversation: a few commands of a mail server, EHLO, STARTTLS and QUIT.
//!
//!     cargo run --features tls --example starttls_server [ADDR] --cert FILE --key FILE
//!     openssl s_client -starttls smtp -connect 127.0.0.1:8888
//!
//! A certificate to try it with, which also serves as the client's `--ca`:
//!
//!     openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost -keyout key.pem -out cert.pem \
//!         -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE

mod arguments;
mod serving;

use std::io;
use std::process::ExitCode;

use waterwheel::{StreamReader, StreamWriter, TlsServer, start_server, start_tls};

/// How a conversation ends: for good, or to continue over TLS.
enum Next {
    End,
    StartTls,
}

/// Answers commands until one ends the conversation. What EHLO offers depends on whether it is secure already.
async fn converse(reader: &mut StreamReader, writer: &StreamWriter, secure: bool) -> io::Result<Next> {
    while let Some(line) = reader.next_line().await? {
        let line = String::from_utf8_lossy(&line);
        let command = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match command.as_str() {
            "EHLO" if secure => b"250 waterwheel, and nobody listens\r\n",
            "EHLO" => b"250-waterwheel\r\n250 STARTTLS\r\n",
            "STARTTLS" if secure => b"503 TLS is there already\r\n",
            "STARTTLS" => b"220 Go ahead\r\n",
            "QUIT" => b"221 Goodbye\r\n",
            _ => b"502 Not known here\r\n",
        };
        writer.write_all(answer).await?;
        match command.as_str() {
            "STARTTLS" if !secure => return Ok(Next::StartTls),
            "QUIT" => return Ok(Next::End),
            _ => {}
        }
    }
    Ok(Next::End)
}

async fn serve_client(mut reader: StreamReader, writer: StreamWriter, tls: TlsServer) -> io::Result<()> {
    writer.write_all(b"220 waterwheel\r\n").await?;
    if let Next::StartTls = converse(&mut reader, &writer, false).await? {
        // Plain-text commands after STARTTLS are an error, since anyone could have injected them.
        let (mut reader, writer) = start_tls(reader, writer, tls).await?;
        converse(&mut reader, &writer, true).await?;
        writer.close();
        return writer.wait_closed().await;
    }
    Ok(())
}

async fn serve(address: &str, cert: &str, key: &str) -> io::Result<()> {
    let tls = TlsServer::new(arguments::read(cert)?, arguments::read(key)?)?;
    let server = start_server(move |reader, writer| serve_client(reader, writer, tls.clone()), address).await?;
    serving::serve(&server).await
}

fn main() -> ExitCode {
    env_logger::init();
    let options = ["--cert", "--key"];
    let Some((address, [cert, key])) = arguments::address_and_files("127.0.0.1:8888", options) else {
        eprintln!("usage: starttls_server [ADDR] --cert FILE --key FILE");
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
