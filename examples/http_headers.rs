//! The HTTP example of asyncio's Streams page: requests a page and prints its headers.
//!
//!     cargo run --example http_headers http://example.org/
//!     cargo run --features tls --example http_headers https://example.org/ [--ca FILE]

use std::env;
use std::io;
use std::process::ExitCode;

use waterwheel::{OpenConnection, open_connection};

/// The parts of a URL that matter here.
struct Url<'a> {
    secure: bool,
    authority: &'a str,
    host: &'a str,
    port: u16,
    target: String,
}

fn bad(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

fn parse(url: &str) -> io::Result<Url<'_>> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| bad(format!("{url:?} is not a URL")))?;
    let secure = match scheme {
        "http" => false,
        "https" => true,
        other => return Err(bad(format!("this speaks http and https, not {other}"))),
    };
    // No character may end the request line.
    if !rest.chars().all(|c| c.is_ascii_graphic()) {
        return Err(bad(format!("{url:?} has characters that a URL cannot have")));
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|_| bad(format!("{port:?} is not a port")))?)
        }
        _ => (authority, if secure { 443 } else { 80 }),
    };
    if host.is_empty() {
        return Err(bad(format!("{url:?} names no host")));
    }
    Ok(Url { secure, authority, host, port, target })
}

/// Trusts the certificates of a file or, without one, the platform's.
#[cfg(feature = "tls")]
fn secured(connecting: OpenConnection, ca: Option<&str>) -> io::Result<OpenConnection> {
    use waterwheel::TlsClient;

    let tls = match ca {
        Some(file) => {
            let pem = std::fs::read(file).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))?;
            TlsClient::with_roots(pem)?
        }
        None => TlsClient::new()?,
    };
    Ok(connecting.tls(tls))
}

#[cfg(not(feature = "tls"))]
fn secured(_connecting: OpenConnection, _ca: Option<&str>) -> io::Result<OpenConnection> {
    Err(bad("https needs the feature \"tls\"".to_owned()))
}

async fn print_http_headers(url: &str, ca: Option<&str>) -> io::Result<()> {
    let url = parse(url)?;
    // Only URLs put an IPv6 address into brackets.
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let mut connecting = open_connection((host, url.port));
    if url.secure {
        connecting = secured(connecting, ca)?;
    }
    let (mut reader, writer) = connecting.await?;

    let query = format!("HEAD {} HTTP/1.0\r\nHost: {}\r\n\r\n", url.target, url.authority);
    writer.write(query.as_bytes());
    let mut headers = 0;
    while let Some(line) = reader.next_line().await? {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            // The headers end here. There is no need to wait for the end of the connection.
            break;
        }
        println!("HTTP header> {line}");
        headers += 1;
    }
    if headers == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection without an answer"));
    }
    writer.close();
    Ok(())
}

/// The URL, and the file of `--ca`; `None` if the command line is malformed.
fn arguments() -> Option<(String, Option<String>)> {
    let mut arguments = env::args().skip(1);
    let (mut url, mut ca) = (None, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // If the file is missing, this fails: trusting the platform's roots is not what the user asked for.
            "--ca" => ca = Some(arguments.next()?),
            _ => url = Some(argument),
        }
    }
    Some((url?, ca))
}

fn main() -> ExitCode {
    let Some((url, ca)) = arguments() else {
        eprintln!("usage: http_headers URL [--ca FILE]");
        return ExitCode::FAILURE;
    };
    match waterwheel::run(print_http_headers(&url, ca.as_deref())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
