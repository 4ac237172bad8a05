//! glommio: an executor with three io_uring rings.

use std::io;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::LocalExecutorBuilder;
use glommio::net::{TcpListener, TcpStream};

use super::announce;
use super::dialogue::Dialogue;
use crate::wire::{App, BULK};

pub(super) fn serve(app: App) {
    let executor = LocalExecutorBuilder::default().make().expect("an executor, which needs io_uring and locked memory");
    executor.run(async move {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        announce(listener.local_addr());
        loop {
            let stream = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            glommio::spawn_local(answer(stream, app)).detach();
        }
    });
}

async fn answer(mut stream: TcpStream, app: App) -> io::Result<()> {
    let mut dialogue = Dialogue::new(app);
    let mut input = vec![0; app.buffer_size()];
    let mut output = Vec::new();
    loop {
        let n = stream.read(&mut input).await?;
        if n == 0 {
            return Ok(());
        }
        match app {
            App::Echo => stream.write_all(&input[..n]).await?,
            App::Source => {
                for _ in 0..n {
                    stream.write_all(&BULK).await?;
                }
            }
            _ => {
                dialogue.answer(&input[..n], &mut output);
                stream.write_all(&output).await?;
                output.clear();
            }
        }
    }
}
