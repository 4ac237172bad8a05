//! axum's router, served by hyper on this loop.
//!
//! axum requires its handlers to be `Send`: they share state by an `Arc`, and they cannot await anything that belongs
//! to the loop. A service that needs an `Rc`, or awaits the loop's own types, is passed to hyper directly, as in
//! `http_server`.
//!
//!     cargo run --release --features hyper --example axum_router [ADDR]
//!     curl http://127.0.0.1:8888/hello/you
//!     curl --data 'some words' http://127.0.0.1:8888/shout

mod serving;

use std::env;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tower_service::Service;
use waterwheel::{Connection, LoopTimer, StreamReader, StreamWriter, start_server};

async fn hello(State(visits): State<Arc<AtomicU64>>, Path(name): Path<String>) -> String {
    format!("Hello {name}, you are visitor {}\n", visits.fetch_add(1, Ordering::Relaxed) + 1)
}

async fn shout(text: String) -> String {
    text.to_uppercase()
}

async fn serve(address: &str) -> io::Result<()> {
    let router =
        Router::new().route("/hello/{name}", get(hello)).route("/shout", post(shout)).with_state(Arc::default());
    let connected = move |reader: StreamReader, writer: StreamWriter| {
        let router = router.clone();
        // A router is always ready, so `poll_ready` is not called before a call.
        let service = service_fn(move |request| router.clone().call(request));
        let connection = Connection::from((reader, writer));
        http1::Builder::new().pipeline_flush(true).timer(LoopTimer).serve_connection(connection, service)
    };
    let server = start_server(connected, address).await?;
    serving::serve(&server).await
}

fn main() -> ExitCode {
    env_logger::init();
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match waterwheel::run(serve(&address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
