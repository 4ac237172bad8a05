//! An HTTP/1.1 and HTTP/2 server with hyper, at one address, with or without TLS. Its state is an `Rc`, since
//! everything runs on one thread. At Ctrl-C requests in progress are answered, and idle connections end at once.
//!
//!     cargo run --release --features hyper,signals,tls --example http_server [ADDR] [--cert FILE --key FILE]
//!     curl --http1.1 http://127.0.0.1:8888/
//!     curl --http2-prior-knowledge http://127.0.0.1:8888/
//!     curl --http2 --cacert CA https://localhost:8888/

mod arguments;

use std::cell::Cell;
use std::convert::Infallible;
use std::env;
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::sync::watch;
use waterwheel::{
    Connection, LoopExecutor, LoopTimer, StreamReader, StreamWriter, TlsServer, ctrl_c, race, start_server,
};

const GRACE: Duration = Duration::from_secs(3);

#[derive(Clone)]
struct App {
    visits: Rc<Cell<u64>>,
    /// Becomes true when the server must shut down.
    is_stopping: watch::Receiver<bool>,
}

impl App {
    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        self.visits.set(self.visits.get() + 1);
        let text = format!("{} is visited, the {}th of all\n", request.uri().path(), self.visits.get());
        Ok(Response::new(Full::new(text.into())))
    }

    async fn serve(self, mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
        let is_http2 = speaks_http2(&mut reader, &writer).await?;
        let (connection, app) = (Connection::from((reader, writer)), self.clone());
        let service = service_fn(move |request| app.clone().answer(request));
        let served = if is_http2 {
            let serving = http2::Builder::new(LoopExecutor).timer(LoopTimer).serve_connection(connection, service);
            self.until_stopped(serving, http2::Connection::graceful_shutdown).await
        } else {
            let mut http1 = http1::Builder::new();
            let serving = http1.pipeline_flush(true).timer(LoopTimer).serve_connection(connection, service);
            self.until_stopped(serving, http1::Connection::graceful_shutdown).await
        };
        served.map_err(io::Error::other)
    }

    /// Serves a connection until it ends. When the server stops, `end` starts a graceful shutdown of the connection.
    async fn until_stopped<C>(mut self, connection: C, end: impl FnOnce(Pin<&mut C>)) -> hyper::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let mut connection = pin!(connection);
        let serves = async { Some(connection.as_mut().await) };
        let stops = async {
            // An error says that the sender is gone, which means stopping as well.
            let _ = self.is_stopping.wait_for(|&is_stopping| is_stopping).await;
            None
        };
        if let Some(outcome) = race((serves, stops)).await {
            return outcome;
        }
        end(connection.as_mut());
        connection.await
    }
}

/// Whether the client speaks HTTP/2. With TLS, the handshake has decided this. Without TLS, HTTP/2 begins with `PRI`,
/// which is not a method of HTTP/1.1. A client that sends these three bytes separately is taken for an HTTP/1.1
/// client, and refused.
async fn speaks_http2(reader: &mut StreamReader, writer: &StreamWriter) -> io::Result<bool> {
    match writer.extra_info().tls() {
        Some(tls) => Ok(tls.alpn() == Some(b"h2")),
        None => Ok(reader.fill_buf().await?.starts_with(b"PRI")),
    }
}

async fn serve(address: &str, tls: Option<TlsServer>) -> io::Result<()> {
    let (stop, is_stopping) = watch::channel(false);
    let app = App { visits: Rc::default(), is_stopping };
    let mut starting = start_server(move |reader, writer| app.clone().serve(reader, writer), address);
    if let Some(tls) = tls {
        starting = starting.tls(tls.alpn(["h2", "http/1.1"]));
    }
    let server = starting.await?;
    for address in server.local_addrs() {
        println!("Serving on {address}");
    }
    let interrupted = async {
        let _ = ctrl_c().await; // on an error, the server stops as well
        stop.send_replace(true);
    };
    let report = server.serve_until(interrupted, GRACE).await?;
    println!("{} finished, {} closed, {} aborted", report.finished, report.closed, report.aborted);
    Ok(())
}

/// Parses the command line and serves.
fn run() -> io::Result<()> {
    const DEFAULT: &str = "127.0.0.1:8888";
    if !env::args().any(|argument| argument.starts_with("--")) {
        return waterwheel::run(serve(&env::args().nth(1).unwrap_or_else(|| DEFAULT.to_owned()), None));
    }
    let Some((address, [cert, key])) = arguments::address_and_files(DEFAULT, ["--cert", "--key"]) else {
        return Err(io::Error::other("usage: http_server [ADDR] [--cert FILE --key FILE]"));
    };
    let tls = TlsServer::new(arguments::read(&cert)?, arguments::read(&key)?)?;
    waterwheel::run(serve(&address, Some(tls)))
}

fn main() -> ExitCode {
    env_logger::init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
