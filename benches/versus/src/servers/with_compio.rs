//! compio, on io_uring: each operation takes ownership of a buffer, and returns it with the result.

use std::io;

use compio::BufResult;
use compio::io::{AsyncRead, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::Runtime;

use super::dialogue::Dialogue;
use super::{announce, listener};
use crate::wire::{App, BULK};

pub(super) fn serve(app: App) {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener()).expect("a listener");
        announce(listener.local_addr());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            compio::runtime::spawn(answer(stream, app)).detach();
        }
    });
}

async fn answer(mut stream: TcpStream, app: App) -> io::Result<()> {
    let mut dialogue = Dialogue::new(app);
    let mut input = Vec::with_capacity(app.buffer_size());
    let mut output = Vec::new();
    loop {
        let BufResult(result, filled) = stream.read(input).await;
        input = filled;
        let n = result?;
        if n == 0 {
            return Ok(());
        }
        match app {
            App::Echo => {
                let BufResult(result, sent) = stream.write_all(input).await;
                input = sent;
                result?;
            }
            App::Source => {
                for _ in 0..n {
                    stream.write_all(BULK.as_slice()).await.0?;
                }
            }
            _ => {
                dialogue.answer(&input, &mut output);
                let BufResult(result, sent) = stream.write_all(output).await;
                output = sent;
                result?;
                output.clear();
            }
        }
        input.clear();
    }
}
