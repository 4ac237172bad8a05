//! A server and its client in one loop, on a real socket.
//!
//!     cargo run --release --example tcp_echo

use waterwheel::{StreamReader, StreamWriter, open_connection, start_server};

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
    while !reader.at_eof() {
        let data = reader.read(100).await?;
        writer.write_all(&data).await?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    waterwheel::run(async {
        let server = start_server(echo, ("127.0.0.1", 0)).await?;
        let address = server.local_addrs()[0];
        println!("Serving on {address}");

        let (mut reader, writer) = open_connection(address).await?;
        for message in ["Hello World!", "The wheel turns."] {
            println!("Send: {message:?}");
            writer.write_all(message.as_bytes()).await?;
            let data = reader.readexactly(message.len()).await?;
            println!("Received: {:?}", String::from_utf8_lossy(&data));
        }
        println!("Close the connection");
        writer.close();
        writer.wait_closed().await
    })
}
