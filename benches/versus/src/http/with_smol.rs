//! hyper on smol, with smol-hyper.

use std::rc::Rc;

use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use smol::net::{TcpListener, TcpStream};
use smol::{LocalExecutor, block_on};
use smol_hyper::rt::{FuturesIo, SmolTimer};

use super::{Version, answer};

/// Needed because smol-hyper's own executor requires tasks that are `Send`.
#[derive(Clone)]
struct Local(Rc<LocalExecutor<'static>>);

impl<F: Future + 'static> Executor<F> for Local
where
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future).detach();
    }
}

pub(super) fn serve(version: Version) {
    let tasks = Rc::new(LocalExecutor::new());
    block_on(tasks.run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        println!("{}", listener.local_addr().expect("its address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            tasks.spawn(handle(stream, version, Local(Rc::clone(&tasks)))).detach();
        }
    }));
}

async fn handle(stream: TcpStream, version: Version, tasks: Local) {
    let (io, service) = (FuturesIo::new(stream), service_fn(answer));
    // A client that disconnects is not an error of the server.
    let _ = match version {
        Version::One => http1::Builder::new().timer(SmolTimer::new()).serve_connection(io, service).await,
        Version::Two => http2::Builder::new(tasks).timer(SmolTimer::new()).serve_connection(io, service).await,
    };
}
