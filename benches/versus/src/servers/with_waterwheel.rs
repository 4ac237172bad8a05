//! waterwheel's servers: with streams, as written by an expert and by a newcomer, and with a callback protocol.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::rc::Rc;

use waterwheel::{ConnectionError, Protocol, StreamReader, StreamWriter, Transport, get_running_loop, start_server};

use super::announce;
use super::dialogue::Dialogue;
use crate::wire::{App, BULK, HTTP_ANSWER, MEBIBYTE, PONG, RECEIVED};

pub(super) fn expert(app: App) {
    // A separate server for each application, so that its task is not as large as the largest of all.
    match app {
        App::Echo => serve_streams(echo),
        App::Lines => serve_streams(lines),
        App::Source => serve_streams(source),
        App::Http | App::Resp | App::Discard => {
            serve_streams(move |reader, writer| converse(reader, writer, app));
        }
    }
}

pub(super) fn newcomer(app: App) {
    match app {
        App::Echo => serve_streams(echo_as_newcomer),
        _ => serve_streams(move |reader, writer| answer_as_newcomer(reader, writer, app)),
    }
}

fn serve_streams<F>(answer: impl Fn(StreamReader, StreamWriter) -> F + 'static)
where
    F: Future<Output = io::Result<()>> + 'static,
{
    waterwheel::run(async move {
        let server = start_server(answer, "127.0.0.1:0").backlog(1024).await.expect("a server");
        announce(io::Result::Ok(server.local_addrs()[0]));
        server.serve_forever().await.expect("serving");
    });
}

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        // The data is borrowed from the reader, not copied into another buffer.
        let data = reader.fill_buf().await?;
        if data.is_empty() {
            return Ok(());
        }
        writer.write(data);
        let n = data.len();
        reader.consume(n);
        writer.drain().await?;
    }
}

/// The plain loop: all bytes that are written before the task waits are sent together.
async fn lines(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.readline_into(&mut line).await? == 0 {
            return Ok(());
        }
        writer.write(&line);
        writer.drain().await?;
    }
}

async fn converse(mut reader: StreamReader, writer: StreamWriter, app: App) -> io::Result<()> {
    let mut dialogue = Dialogue::new(app);
    let mut output = Vec::new();
    loop {
        let input = reader.fill_buf().await?;
        if input.is_empty() {
            return Ok(());
        }
        dialogue.answer(input, &mut output);
        let n = input.len();
        reader.consume(n);
        writer.write(&output);
        writer.drain().await?;
        output.clear();
    }
}

async fn source(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let requests = reader.fill_buf().await?.len();
        if requests == 0 {
            return Ok(());
        }
        reader.consume(requests);
        for _ in 0..requests {
            writer.write_all(&BULK).await?;
        }
    }
}

/// The first version that most people would write: asyncio's methods, each of which returns newly allocated bytes.
async fn echo_as_newcomer(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let data = reader.read(16 * 1024).await?;
        if data.is_empty() {
            return Ok(());
        }
        writer.write(&data);
        writer.drain().await?;
    }
}

/// All applications except the echo, in the same style.
async fn answer_as_newcomer(mut reader: StreamReader, writer: StreamWriter, app: App) -> io::Result<()> {
    loop {
        let request = match app {
            App::Echo | App::Lines => reader.readline().await?,
            App::Http => reader.readuntil(b"\r\n\r\n").await?,
            App::Resp => {
                reader.readline().await?;
                reader.readline().await?;
                reader.readline().await?
            }
            App::Discard => reader.readexactly(MEBIBYTE).await?,
            App::Source => reader.readexactly(1).await?,
        };
        if request.is_empty() {
            return Ok(());
        }
        match app {
            App::Echo | App::Lines => writer.write(&request),
            App::Http => writer.write(HTTP_ANSWER),
            App::Resp => writer.write(PONG),
            App::Discard => writer.write(&[RECEIVED]),
            App::Source => writer.write(&BULK),
        }
        writer.drain().await?;
    }
}

pub(super) fn protocol(app: App) {
    waterwheel::run(async move {
        let factory = move || Rc::new(Answering::new(app));
        let server = get_running_loop().create_server(factory, "127.0.0.1:0").backlog(1024).await.expect("a server");
        announce(io::Result::Ok(server.local_addrs()[0]));
        server.serve_forever().await.expect("serving");
    });
}

struct Answering {
    app: App,
    transport: OnceCell<Rc<dyn Transport>>,
    dialogue: RefCell<Dialogue>,
}

impl Answering {
    fn new(app: App) -> Answering {
        Answering { app, transport: OnceCell::new(), dialogue: RefCell::new(Dialogue::new(app)) }
    }

    fn transport(&self) -> &dyn Transport {
        &**self.transport.get().expect("connection_made comes first")
    }
}

impl Protocol for Answering {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = self.transport.set(transport); // it is called once
    }

    fn data_received(&self, data: &[u8]) {
        match self.app {
            App::Echo => self.transport().write(data),
            App::Source => data.iter().for_each(|_| self.transport().write(&BULK)),
            _ => {
                let mut output = Vec::new();
                self.dialogue.borrow_mut().answer(data, &mut output);
                self.transport().write(&output);
            }
        }
    }

    fn connection_lost(&self, _error: Option<ConnectionError>) {}

    fn pause_writing(&self) {
        self.transport().pause_reading();
    }

    fn resume_writing(&self) {
        self.transport().resume_reading();
    }
}
