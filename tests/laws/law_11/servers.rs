//! Futures of servers.

use std::io::Write;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::{
    Promise, Server, StreamReader, StreamWriter, get_running_loop, start_server, start_unix_server, yield_now,
};

use super::connections::Quiet;
use super::moments::{drop_at, drop_while};
use super::{Row, rows};
use crate::common::temp_dir::TempDir;
use crate::common::until::until;

pub(super) const ROWS: &[Row] = rows![
    "StartServer" => async |moment| {
        let started = drop_at(moment, start_server(|_: StreamReader, _: StreamWriter| {}, "127.0.0.1:0")).await;
        started.map(|server| drop(server.unwrap())).is_some()
    },
    "StartServer" => async |moment| {
        let directory = TempDir::new();
        let at = directory.file("s");
        let started = drop_at(moment, start_unix_server(|_: StreamReader, _: StreamWriter| {}, &at)).await;
        let is_done = started.map(|server| drop(server.unwrap())).is_some();
        // The path is free for another server.
        drop(start_unix_server(|_: StreamReader, _: StreamWriter| {}, &at).await.unwrap());
        is_done
    },
    "CreateServer" => async |moment| {
        let handle = get_running_loop();
        let started = drop_at(moment, handle.create_server(|| Rc::new(Quiet), "127.0.0.1:0")).await;
        started.map(|server| drop(server.unwrap())).is_some()
    },
    "Server::start_serving" => async |moment| {
        let server = get_running_loop().create_server(|| Rc::new(Quiet), "127.0.0.1:0").start_serving(false).await.unwrap();
        let is_done = drop_at(moment, server.start_serving()).await.map(|started| started.unwrap()).is_some();
        server.start_serving().await.unwrap();
        drop(connected_to(&server).await);
        until("the client is gone", || server.connections() == 0).await;
        is_done
    },
    "Server::serve_forever" => async |moment| {
        let server = Rc::new(serving().await);
        let closing = Rc::clone(&server);
        let served = drop_while(moment, server.serve_forever(), async move {
            yield_now().await;
            closing.close();
        }).await;
        server.close();
        server.wait_closed().await;
        served.map(|served| served.unwrap()).is_some()
    },
    "Server::serve_until" => async |moment| {
        let server = serving().await;
        let client = connected_to(&server).await;
        let stop = Promise::new();
        let stopping = stop.clone();
        let served = drop_while(moment, server.serve_until(stop.wait(), Duration::ZERO), async move {
            yield_now().await;
            stopping.set(()).unwrap();
            yield_now().await;
            drop(client);
        }).await;
        let report = served.map(|served| served.unwrap());
        server.shutdown(Duration::from_secs(1)).await;
        report.is_some()
    },
    "Server::wait_closed" => async |moment| {
        let server = serving().await;
        let client = connected_to(&server).await;
        server.close();
        let is_done = drop_while(moment, server.wait_closed(), async move { drop(client) }).await.is_some();
        server.wait_closed().await;
        assert_eq!(server.connections(), 0);
        is_done
    },
    "Server::shutdown" => async |moment| {
        let server = serving().await;
        let client = connected_to(&server).await;
        let down = drop_while(moment, server.shutdown(Duration::from_millis(1)), async move {
            for _ in 0..3 {
                yield_now().await;
            }
            drop(client);
        }).await;
        server.shutdown(Duration::from_secs(1)).await;
        assert!(!server.is_serving() && server.connections() == 0);
        down.is_some()
    },
];

async fn serving() -> Server {
    get_running_loop().create_server(|| Rc::new(Quiet), "127.0.0.1:0").await.unwrap()
}

/// A client that the server has accepted.
async fn connected_to(server: &Server) -> TcpStream {
    let mut client = TcpStream::connect(server.local_addrs()[0]).unwrap();
    client.write_all(b"x").unwrap();
    until("the client is connected", || server.connections() == 1).await;
    client
}
