//! tokio-rustls's servers, on tokio's current-thread runtime.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{amounts, server};

pub(super) fn echo() {
    serve(echo_all);
}

pub(super) fn bulk() {
    serve(transfer);
}

fn serve<F: Future<Output = io::Result<()>> + Send + 'static>(answer: fn(TlsStream<TcpStream>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (config, certificate) = server();
        let acceptor = TlsAcceptor::from(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        println!("{} {certificate}", listener.local_addr().expect("its address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            let acceptor = acceptor.clone();
            tokio::spawn(async move { answer(acceptor.accept(stream).await?).await });
        }
    });
}

async fn echo_all(mut stream: TlsStream<TcpStream>) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..n]).await?;
        // Without this an answer may stay in the buffer.
        stream.flush().await?;
    }
}

/// Receives and sends the numbers of bytes that each header asks for.
async fn transfer(mut stream: TlsStream<TcpStream>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let mut header = [0; 16];
        match stream.read_exact(&mut header).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return stream.shutdown().await,
            outcome => outcome?,
        };
        let (mut up, mut down) = amounts(&header);
        while up > 0 {
            let n = stream.read(&mut buffer[..up.min(64 * 1024)]).await?;
            assert!(n > 0, "all that was announced comes");
            up -= n;
        }
        while down > 0 {
            let n = down.min(buffer.len());
            stream.write_all(&buffer[..n]).await?;
            down -= n;
        }
        stream.flush().await?;
    }
}
