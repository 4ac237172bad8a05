use std::io;

use waterwheel::{StreamReader, StreamWriter, start_server};

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let data = reader.read(16 * 1024).await?;
        if data.is_empty() {
            return Ok(());
        }
        writer.write(&data);
        writer.drain().await?;
    }
}

fn main() -> io::Result<()> {
    waterwheel::run(async {
        let server = start_server(echo, "127.0.0.1:0").await?;
        server.serve_forever().await
    })
}
