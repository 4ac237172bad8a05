//! hyper on monoio, with monoio-compat.

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use monoio::io::IntoPollIo;
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};
use monoio_compat::hyper::{MonoioExecutor, MonoioIo, MonoioTimer};

use super::{Version, answer};

pub(super) fn uring(version: Version) {
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new().enable_timer().build().expect("a runtime on io_uring");
    runtime.block_on(serve(version));
}

pub(super) fn epoll(version: Version) {
    let mut runtime = RuntimeBuilder::<LegacyDriver>::new().enable_timer().build().expect("a runtime on epoll");
    runtime.block_on(serve(version));
}

async fn serve(version: Version) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    println!("{}", listener.local_addr().expect("its address"));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        monoio::spawn(handle(stream, version));
    }
}

async fn handle(stream: TcpStream, version: Version) {
    let io = MonoioIo::new(stream.into_poll_io().expect("a connection that is polled"));
    let service = service_fn(answer);
    // A client that disconnects is not an error of the server.
    let _ = match version {
        Version::One => http1::Builder::new().timer(MonoioTimer).serve_connection(io, service).await,
        Version::Two => http2::Builder::new(MonoioExecutor).timer(MonoioTimer).serve_connection(io, service).await,
    };
}
