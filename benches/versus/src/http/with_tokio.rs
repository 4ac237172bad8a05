//! hyper on tokio's current-thread runtime, with hyper-util.

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};

use super::{Version, answer};

/// Starts a task for each connection with `spawn`.
pub(super) fn spawned(version: Version) {
    run(accept(version, |connection| drop(tokio::spawn(connection))));
}

/// Starts a task for each connection with `spawn_local`, so that it may hold values that are not `Send`.
pub(super) fn spawned_locally(version: Version) {
    run(LocalSet::new().run_until(accept(version, |connection| drop(spawn_local(connection)))));
}

fn run(server: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(server);
}

async fn accept(version: Version, spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    println!("{}", listener.local_addr().expect("its address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        spawn(Box::pin(serve(stream, version)));
    }
}

async fn serve(stream: TcpStream, version: Version) {
    let (io, service) = (TokioIo::new(stream), service_fn(answer));
    // A client that disconnects is not an error of the server.
    let _ = match version {
        Version::One => http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, service).await,
        Version::Two => {
            let builder = http2::Builder::new(TokioExecutor::new()).timer(TokioTimer::new()).clone();
            builder.serve_connection(io, service).await
        }
    };
}
