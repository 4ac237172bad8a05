//! A server of HTTP/1.1 by hyper, on this loop. Its state is an `Rc`, since all of it runs on one thread.
//!
//!     cargo run --release --features hyper --example hyper_hello [ADDR]
//!     curl http://127.0.0.1:8080/

use std::cell::Cell;
use std::convert::Infallible;
use std::env;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use waterwheel::{Connection, LoopTimer, StreamReader, StreamWriter, start_server};

async fn hello(visits: Rc<Cell<u64>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    visits.set(visits.get() + 1);
    let text = format!("{} is visited, the {}th of all\n", request.uri().path(), visits.get());
    Ok(Response::new(Full::new(text.into())))
}

async fn serve(address: &str) -> io::Result<()> {
    let visits = Rc::new(Cell::new(0));
    let connected = move |reader: StreamReader, writer: StreamWriter| {
        let visits = Rc::clone(&visits);
        let service = service_fn(move |request| hello(Rc::clone(&visits), request));
        let connection = Connection::from((reader, writer));
        http1::Builder::new().pipeline_flush(true).timer(LoopTimer).serve_connection(connection, service)
    };
    let server = start_server(connected, address).await?;
    for address in server.local_addrs() {
        println!("Serving on {address}");
    }
    server.serve_forever().await
}

fn main() -> ExitCode {
    env_logger::init();
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    match waterwheel::run(serve(&address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
