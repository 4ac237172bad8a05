//! A client that starts TLS in the middle of a conversation with a mail server, and prints what the server offers
//! before and after. If the server does not offer STARTTLS, the client stops rather than going on in plain text.
//!
//!     cargo run --features tls --example starttls_client [ADDR] --ca FILE

mod arguments;

use std::io;
use std::process::ExitCode;

use waterwheel::{StreamReader, StreamWriter, TlsClient, open_connection, start_tls};

fn refused(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads an answer and returns the texts of its lines. Every line except the last has a hyphen after the code.
async fn answer(reader: &mut StreamReader, code: &str) -> io::Result<Vec<String>> {
    let mut texts = Vec::new();
    loop {
        let line = reader.next_line().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let text = line.strip_prefix(code).ok_or_else(|| refused(format!("the server says {line:?}")))?;
        texts.push(text.get(1..).unwrap_or_default().to_owned());
        if !text.starts_with('-') {
            return Ok(texts);
        }
        // A server must not be able to fill our memory.
        if texts.len() == 100 {
            return Err(refused("an answer of the server has no end".to_owned()));
        }
    }
}

async fn ask(reader: &mut StreamReader, writer: &StreamWriter, command: &str, code: &str) -> io::Result<Vec<String>> {
    println!("{command}");
    writer.write_all(format!("{command}\r\n").as_bytes()).await?;
    let texts = answer(reader, code).await?;
    texts.iter().for_each(|text| println!("  {text}"));
    Ok(texts)
}

async fn converse(address: &str, ca: &str) -> io::Result<()> {
    let tls = TlsClient::with_roots(arguments::read(ca)?)?;
    let (mut reader, writer) = open_connection(address).await?;
    answer(&mut reader, "220").await?;
    let offers = ask(&mut reader, &writer, "EHLO localhost", "250").await?;
    // An attacker in between may have removed the offer, so going on in plain text would be unsafe.
    if !offers.iter().any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
        return Err(refused("the server does not offer STARTTLS".to_owned()));
    }
    ask(&mut reader, &writer, "STARTTLS", "220").await?;

    // The certificate must be for the requested host. An IPv6 address is in brackets only before a port.
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // Plain-text bytes after the answer are an error: they must not be taken for a part of the encrypted conversation.
    let (mut reader, writer) = start_tls(reader, writer, tls).server_hostname(host).await?;
    if let Some(tls) = writer.extra_info().tls() {
        println!("Secured by {:?}", tls.protocol_version());
    }
    // Offers that were made in plain text do not count.
    ask(&mut reader, &writer, "EHLO localhost", "250").await?;
    ask(&mut reader, &writer, "QUIT", "221").await?;
    writer.close();
    writer.wait_closed().await
}

fn main() -> ExitCode {
    let Some((address, [ca])) = arguments::address_and_files("localhost:8888", ["--ca"]) else {
        eprintln!("usage: starttls_client [ADDR] --ca FILE");
        return ExitCode::FAILURE;
    };
    match waterwheel::run(converse(&address, &ca)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
