//! A proxy: it forwards all bytes from a client to a server, and back. With `--tls`, clients use TLS to the proxy, and
//! the server does not notice.
//!
//!     cargo run --example proxy LISTEN UPSTREAM
//!     cargo run --features tls --example proxy LISTEN UPSTREAM --tls CERT KEY

mod serving;

use std::future::pending;
use std::io;
use std::process::ExitCode;

use waterwheel::{Connection, StartServer, copy, copy_bidirectional, open_connection, race, start_server};

/// Reads no more from one side than the other side takes, so the proxy's memory is bounded for any amount of data.
async fn pass_on(client: &mut Connection, upstream: &mut Connection) -> io::Result<()> {
    if client.writer.can_write_eof() {
        copy_bidirectional(client, upstream).await?;
        return Ok(());
    }
    // TLS cannot end one direction alone, so when the server ends its side, the whole connection to the client ends.
    // Otherwise a client that waits for the end of the answer would wait for ever.
    let (from_client, from_upstream) = (&mut client.reader, &mut upstream.reader);
    let there = async {
        copy(from_client, &upstream.writer).await?;
        upstream.writer.write_eof();
        pending().await
    };
    race((there, copy(from_upstream, &client.writer))).await?;
    Ok(())
}

/// Returns a function that adds TLS to a server. The files are read before the server is created, since a server that
/// was created must be awaited.
#[cfg(feature = "tls")]
fn secured(cert: &str, key: &str) -> io::Result<impl FnOnce(StartServer) -> StartServer> {
    let read =
        |file: &str| std::fs::read(file).map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")));
    let secrets = waterwheel::TlsServer::new(read(cert)?, read(key)?)?;
    Ok(move |server: StartServer| server.tls(secrets))
}

#[cfg(not(feature = "tls"))]
fn secured(_cert: &str, _key: &str) -> io::Result<fn(StartServer) -> StartServer> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "--tls needs the feature \"tls\""))
}

async fn serve(listen: &str, upstream: &str, tls: Option<(&str, &str)>) -> io::Result<()> {
    let upstream = upstream.to_owned();
    let secured = tls.map(|(cert, key)| secured(cert, key)).transpose()?;
    let mut server = start_server(
        move |reader, writer| {
            let upstream = upstream.clone();
            async move {
                let mut client = Connection::from((reader, writer));
                let mut upstream = open_connection(upstream).await?.into();
                pass_on(&mut client, &mut upstream).await
            }
        },
        listen,
    );
    if let Some(secured) = secured {
        server = secured(server);
    }
    serving::serve(&server.await?).await
}

fn main() -> ExitCode {
    env_logger::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (listen, upstream, tls) = match arguments[..] {
        [listen, upstream] => (listen, upstream, None),
        [listen, upstream, "--tls", cert, key] => (listen, upstream, Some((cert, key))),
        _ => {
            eprintln!("usage: proxy LISTEN UPSTREAM [--tls CERT KEY]");
            return ExitCode::FAILURE;
        }
    };
    match waterwheel::run(serve(listen, upstream, tls)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
