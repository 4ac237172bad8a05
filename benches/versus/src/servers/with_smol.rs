//! smol: an executor, and a reactor that runs on its own thread.

use std::io;
use std::net::TcpListener as StdListener;

use smol::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use smol::{Async, LocalExecutor};

use super::dialogue::Dialogue;
use super::{announce, listener};
use crate::wire::{App, BULK};

type TcpStream = Async<std::net::TcpStream>;

pub(super) fn serve(app: App) {
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        let listener: Async<StdListener> = Async::new(listener()).expect("a listener");
        announce(listener.get_ref().local_addr());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.get_ref().set_nodelay(true).expect("TCP_NODELAY");
            executor.spawn(answer(stream, app)).detach();
        }
    }));
}

async fn answer(stream: TcpStream, app: App) -> io::Result<()> {
    match app {
        App::Lines => lines(stream).await,
        App::Source => source(stream).await,
        App::Echo => echo(stream, app).await,
        App::Http | App::Resp | App::Discard => converse(stream, app).await,
    }
}

async fn echo(mut stream: TcpStream, app: App) -> io::Result<()> {
    let mut buffer = vec![0; app.buffer_size()];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}

/// Gathers answers, and flushes when no further complete line is buffered.
async fn lines(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(16 * 1024, &stream);
    let mut writer = BufWriter::with_capacity(16 * 1024, &stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return writer.flush().await;
        }
        writer.write_all(&line).await?;
        if reader.buffer().is_empty() {
            writer.flush().await?;
        }
    }
}

async fn converse(mut stream: TcpStream, app: App) -> io::Result<()> {
    let mut dialogue = Dialogue::new(app);
    let mut input = vec![0; app.buffer_size()];
    let mut output = Vec::new();
    loop {
        let n = stream.read(&mut input).await?;
        if n == 0 {
            return Ok(());
        }
        dialogue.answer(&input[..n], &mut output);
        stream.write_all(&output).await?;
        output.clear();
    }
}

async fn source(mut stream: TcpStream) -> io::Result<()> {
    let mut requests = [0; 64];
    loop {
        let n = stream.read(&mut requests).await?;
        if n == 0 {
            return Ok(());
        }
        for _ in 0..n {
            stream.write_all(&BULK).await?;
        }
    }
}
