//! waterwheel's servers over TLS.

use std::cell::OnceCell;
use std::io;
use std::rc::Rc;

use waterwheel::{Protocol, StreamReader, StreamWriter, Transport, get_running_loop, start_server};

use super::{amounts, server};

pub(super) fn echo() {
    serve(echo_all);
}

pub(super) fn bulk() {
    serve(transfer);
}

fn serve<F: Future<Output = io::Result<()>> + 'static>(answer: fn(StreamReader, StreamWriter) -> F) {
    waterwheel::run(async move {
        let (config, certificate) = server();
        let server = start_server(answer, "127.0.0.1:0").tls(config).backlog(1024).await.expect("a server");
        println!("{} {certificate}", server.local_addrs()[0]);
        server.serve_forever().await.expect("serving");
    });
}

async fn echo_all(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let data = reader.fill_buf().await?;
        if data.is_empty() {
            return end(&writer).await;
        }
        writer.write(data);
        let n = data.len();
        reader.consume(n);
        writer.drain().await?;
    }
}

async fn end(writer: &StreamWriter) -> io::Result<()> {
    writer.close();
    writer.wait_closed().await
}

/// Receives and sends the numbers of bytes that each header asks for.
async fn transfer(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    let buffer = vec![0; 64 * 1024];
    loop {
        let Ok(header) = reader.readexactly(16).await else { return end(&writer).await };
        let (mut up, mut down) = amounts(&header);
        while up > 0 {
            // The data is borrowed from the reader, not copied into another buffer.
            let n = reader.fill_buf().await?.len().min(up);
            assert!(n > 0, "all that was announced comes");
            reader.consume(n);
            up -= n;
        }
        while down > 0 {
            let n = down.min(buffer.len());
            writer.write_all(&buffer[..n]).await?;
            down -= n;
        }
    }
}

#[derive(Default)]
struct Echo {
    transport: OnceCell<Rc<dyn Transport>>,
}

impl Echo {
    fn transport(&self) -> &dyn Transport {
        &**self.transport.get().expect("connection_made comes first")
    }
}

impl Protocol for Echo {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        let _ = self.transport.set(transport); // it is called once
    }

    fn data_received(&self, data: &[u8]) {
        self.transport().write(data);
    }

    fn pause_writing(&self) {
        self.transport().pause_reading();
    }

    fn resume_writing(&self) {
        self.transport().resume_reading();
    }
}

pub(super) fn echo_protocol() {
    waterwheel::run(async {
        let factory = || Rc::new(Echo::default());
        let (config, certificate) = server();
        let server = get_running_loop().create_server(factory, "127.0.0.1:0").tls(config).backlog(1024);
        let server = server.await.expect("a server");
        println!("{} {certificate}", server.local_addrs()[0]);
        server.serve_forever().await.expect("serving");
    });
}
