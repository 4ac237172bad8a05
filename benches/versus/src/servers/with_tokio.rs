//! tokio's servers, on one thread: on its current-thread runtime, and on the local one whose tasks need not be `Send`.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};

use super::announce;
use super::dialogue::Dialogue;
use crate::wire::{App, BULK, HTTP_ANSWER, MEBIBYTE, PONG, RECEIVED};

/// A separate server for each application, so that its task is not as large as the largest of all. This is a macro
/// because the two runtimes have different requirements for tasks.
macro_rules! serve_as_expert {
    ($serve:ident, $app:ident) => {
        match $app {
            App::Echo => $serve(move |stream| echo(stream, $app.buffer_size())),
            App::Lines => $serve(lines),
            App::Source => $serve(source),
            App::Http | App::Resp | App::Discard => $serve(move |stream| converse(stream, $app)),
        }
    };
}

pub(super) fn expert(app: App) {
    serve_as_expert!(on_current_thread, app);
}

pub(super) fn newcomer(app: App) {
    match app {
        App::Echo => on_current_thread(|stream| echo(stream, 1024)),
        _ => on_current_thread(move |stream| answer_as_newcomer(stream, app)),
    }
}

/// Waits with `readable` and holds no buffer meanwhile, as a server with many idle connections would.
pub(super) fn readable(app: App) {
    assert_eq!(app, App::Echo);
    on_current_thread(echo_when_readable);
}

pub(super) fn local(app: App) {
    serve_as_expert!(on_local_runtime, app);
}

fn on_local_runtime<F>(answer: impl Fn(TcpStream) -> F)
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).expect("a runtime");
    runtime.block_on(async {
        let listener = listen().await;
        loop {
            let stream = accept(&listener).await;
            tokio::task::spawn_local(answer(stream));
        }
    });
}

fn on_current_thread<F>(answer: impl Fn(TcpStream) -> F)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = listen().await;
        loop {
            let stream = accept(&listener).await;
            tokio::spawn(answer(stream));
        }
    });
}

async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    announce(listener.local_addr());
    listener
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().await.expect("a connection");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream
}

async fn echo(mut stream: TcpStream, size: usize) -> io::Result<()> {
    let mut buffer = vec![0; size];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}

async fn echo_when_readable(mut stream: TcpStream) -> io::Result<()> {
    loop {
        stream.readable().await?;
        let mut buffer = vec![0; 16 * 1024];
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => stream.write_all(&buffer[..n]).await?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gathers answers, and flushes when no further complete line is buffered.
async fn lines(stream: TcpStream) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let mut reader = BufReader::with_capacity(16 * 1024, reader);
    let mut writer = BufWriter::with_capacity(16 * 1024, writer);
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

/// The first version that most people would write: the obvious methods, with a system call for each answer.
async fn answer_as_newcomer(stream: TcpStream, app: App) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        match app {
            App::Echo | App::Lines => {
                if reader.read_until(b'\n', &mut line).await? == 0 {
                    return Ok(());
                }
                writer.write_all(&line).await?;
            }
            App::Http => {
                while line != b"\r\n" {
                    line.clear();
                    if reader.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                }
                writer.write_all(HTTP_ANSWER).await?;
            }
            App::Resp => {
                for _ in 0..3 {
                    if reader.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                }
                writer.write_all(PONG).await?;
            }
            App::Discard => {
                line.resize(MEBIBYTE, 0);
                reader.read_exact(&mut line).await?;
                writer.write_all(&[RECEIVED]).await?;
            }
            App::Source => {
                reader.read_u8().await?;
                writer.write_all(&BULK).await?;
            }
        }
    }
}
