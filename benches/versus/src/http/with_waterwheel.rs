//! hyper on waterwheel's streams.

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use waterwheel::{Connection, LoopExecutor, LoopTimer, StreamReader, StreamWriter, start_server};

use super::{Version, answer};

pub(super) fn serve(version: Version) {
    waterwheel::run(async move {
        let server = match version {
            Version::One => start_server(one, "127.0.0.1:0").backlog(1024).await,
            Version::Two => start_server(two, "127.0.0.1:0").backlog(1024).await,
        };
        let server = server.expect("a server");
        println!("{}", server.local_addrs()[0]);
        server.serve_forever().await.expect("serving");
    });
}

async fn one(reader: StreamReader, writer: StreamWriter) {
    let connection = Connection::from((reader, writer));
    // A client that disconnects is not an error of the server.
    let _ = http1::Builder::new().timer(LoopTimer).serve_connection(connection, service_fn(answer)).await;
}

async fn two(reader: StreamReader, writer: StreamWriter) {
    let connection = Connection::from((reader, writer));
    let mut builder = http2::Builder::new(LoopExecutor);
    let _ = builder.timer(LoopTimer).serve_connection(connection, service_fn(answer)).await;
}
