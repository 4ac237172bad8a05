//! A proxy: all that comes from a client is passed on to a server, and back. With `--tls` clients speak TLS to the proxy,
//! and the server needs to know nothing of it.
//!
//!     cargo run --example proxy LISTEN UPSTREAM
//!     cargo run --features tls --example proxy LISTEN UPSTREAM --tls CERT KEY

mod serving;

use std::future::pending;
use std::io;
use std::process::ExitCode;

use waterwheel::{Connection, StartServer, copy, copy_bidirectional, open_connection, race, start_server};

/// No more is read from one side than the other takes, so a proxy's memory is bounded, whatever passes through.
async fn pass_on(client: &mut Connection, upstream: &mut Connection) -> io::Result<()> {
    if client.writer.can_write_eof() {
        copy_bidirectional(client, upstream).await?;
        return Ok(());
    }
    // TLS cannot end one direction alone: when the server has said all, the whole connection to the client ends. A client
    // that waits for the end of the answer would otherwise wait for ever.
    let (from_client, from_upstream) = (&mut client.reader, &mut upstream.reader);
    let there = async {
        copy(from_client, &upstream.writer).await?;
        upstream.writer.write_eof();
        pending().await
    };
    race((there, copy(from_upstream, &client.writer))).await?;
    Ok(())
}

/// What makes a server one of TLS. The files are read first: a server that was begun is to be awaited.
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
