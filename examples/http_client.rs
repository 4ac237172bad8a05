//! An HTTP client with hyper: prints the page at a URL. Over TLS it uses HTTP/2 if the server supports it.
//!
//!     cargo run --features hyper,tls --example http_client URL [--ca FILE]

use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use waterwheel::{Connection, LoopExecutor, TlsClient, open_connection, spawn};

fn bad(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

/// Reads a file. The error names it.
fn read(file: &str) -> io::Result<Vec<u8>> {
    fs::read(file).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
}

async fn connect(url: &Uri, ca: Option<&str>) -> io::Result<Connection> {
    // Only URLs put an IPv6 address into brackets.
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match url.scheme_str() {
        Some("http") => Ok(open_connection((host, url.port_u16().unwrap_or(80))).await?.into()),
        Some("https") => {
            let tls = ca.map_or_else(TlsClient::new, |file| TlsClient::with_roots(read(file)?))?;
            let connecting = open_connection((host, url.port_u16().unwrap_or(443)));
            Ok(connecting.tls(tls.alpn(["h2", "http/1.1"])).await?.into())
        }
        _ => Err(bad("this wants a URL with http:// or https://")),
    }
}

/// Requests a page. A separate task drives the connection for as long as it is in use.
async fn ask(url: Uri, connection: Connection) -> Result<Response<Incoming>, Box<dyn Error + Send + Sync>> {
    let is_http2 = connection.writer.extra_info().tls().is_some_and(|tls| tls.alpn() == Some(b"h2"));
    if is_http2 {
        let (mut sender, driver) = http2::handshake(LoopExecutor, connection).await?;
        spawn(driver);
        return Ok(sender.send_request(Request::get(url).body(Empty::<Bytes>::new())?).await?);
    }
    let (mut sender, driver) = http1::handshake(connection).await?;
    spawn(driver);
    // HTTP/1.1 puts the host into a header, and the rest of the URL into the request line.
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    let host = url.authority().map_or("", |authority| authority.as_str());
    Ok(sender.send_request(Request::get(target).header(HOST, host).body(Empty::<Bytes>::new())?).await?)
}

async fn print_page(url: &str, ca: Option<&str>) -> io::Result<()> {
    let url: Uri = url.parse().map_err(|_| bad("this is not a URL"))?;
    let connection = connect(&url, ca).await?;
    let response = ask(url, connection).await.map_err(io::Error::other)?;
    println!("{:?} {}", response.version(), response.status());
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(io::Error::other)?.into_data() {
            io::stdout().write_all(&data)?;
        }
    }
    io::stdout().flush()
}

fn main() -> ExitCode {
    env_logger::init();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let printed = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [url] => waterwheel::run(print_page(url, None)),
        [url, "--ca", file] => waterwheel::run(print_page(url, Some(file))),
        _ => Err(bad("usage: http_client URL [--ca FILE]")),
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
