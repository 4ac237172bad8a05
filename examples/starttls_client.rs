//! The client's side of TLS that starts in the middle of a conversation with a mail server: shows what the server offers
//! before and after. Without STARTTLS nothing is said in plain.
//!
//!     cargo run --features tls --example starttls_client [ADDR] --ca FILE

mod arguments;

use std::io;
use std::process::ExitCode;

use waterwheel::{StreamReader, StreamWriter, TlsClient, open_connection, start_tls};

fn refused(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads an answer, of which each line but the last has a hyphen behind the code, and gives its texts.
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
        // A server must not fill the memory.
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
    // Somebody in between may have taken the offer out, so going on in plain would do them a favour.
    if !offers.iter().any(|offer| offer.eq_ignore_ascii_case("STARTTLS")) {
        return Err(refused("the server does not offer STARTTLS".to_owned()));
    }
    ask(&mut reader, &writer, "STARTTLS", "220").await?;

    // The certificate must be for the host that was asked for. An IPv6 address stands in brackets in front of a port only.
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    // Bytes that came in plain behind the answer are an error: they must not pass for what the server said in secret.
    let (mut reader, writer) = start_tls(reader, writer, tls).server_hostname(host).await?;
    if let Some(tls) = writer.extra_info().tls() {
        println!("Secured by {:?}", tls.protocol_version());
    }
    // What was offered in plain counts for nothing.
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
