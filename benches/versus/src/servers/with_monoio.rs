//! monoio, on io_uring and on epoll: each operation takes ownership of a buffer, and returns it with the result.

use std::io;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use super::dialogue::Dialogue;
use super::{announce, listener};
use crate::wire::{App, BULK};

pub(super) fn uring(app: App) {
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new().build().expect("a runtime on io_uring");
    runtime.block_on(serve(app));
}

pub(super) fn epoll(app: App) {
    let mut runtime = RuntimeBuilder::<LegacyDriver>::new().build().expect("a runtime on epoll");
    runtime.block_on(serve(app));
}

async fn serve(app: App) {
    let listener = listener();
    // Only epoll needs a non-blocking listener: io_uring waits by itself.
    listener.set_nonblocking(monoio::utils::is_legacy()).expect("the listener's mode");
    let listener = TcpListener::from_std(listener).expect("a listener");
    announce(listener.local_addr());
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        monoio::spawn(answer(stream, app));
    }
}

async fn answer(mut stream: TcpStream, app: App) -> io::Result<()> {
    let mut dialogue = Dialogue::new(app);
    let mut input = Vec::with_capacity(app.buffer_size());
    let mut output = Vec::new();
    loop {
        let result;
        (result, input) = stream.read(input).await;
        let n = result?;
        if n == 0 {
            return Ok(());
        }
        match app {
            App::Echo => {
                let result;
                (result, input) = stream.write_all(input).await;
                result?;
            }
            App::Source => {
                for _ in 0..n {
                    stream.write_all(BULK.as_slice()).await.0?;
                }
            }
            _ => {
                dialogue.answer(&input, &mut output);
                let result;
                (result, output) = stream.write_all(output).await;
                result?;
                output.clear();
            }
        }
        input.clear();
    }
}
