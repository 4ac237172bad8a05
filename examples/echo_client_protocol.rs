//! The echo client as a protocol, to be read beside `tcp_echo_client`: the same conversation one layer below.
//!
//!     cargo run --example echo_client_protocol [ADDR] [MESSAGE]

use std::env;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use waterwheel::{ConnectionError, Promise, Protocol, Transport, get_running_loop};

struct EchoClient {
    message: String,
    /// Set by the callback when the connection is lost, and awaited by the coroutine.
    lost: Promise<Option<ConnectionError>>,
}

impl Protocol for EchoClient {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.write(self.message.as_bytes());
        println!("Data sent: {:?}", self.message);
        // The server answers, and then ends its side as well.
        transport.write_eof();
    }

    fn data_received(&self, data: &[u8]) {
        println!("Data received: {:?}", String::from_utf8_lossy(data));
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        println!("The server closed the connection");
        // This is called once, so the promise is not set yet.
        let _ = self.lost.set(error);
    }
}

async fn echo(address: &str, message: String) -> io::Result<()> {
    let lost = Promise::new();
    let client = EchoClient { message, lost: lost.clone() };
    let (_transport, _protocol) = get_running_loop().create_connection(|| Rc::new(client), address).await?;
    match lost.wait().await {
        None => Ok(()),
        Some(error) => Err(error.into()),
    }
}

fn main() -> ExitCode {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let message = env::args().nth(2).unwrap_or_else(|| "Hello World!".to_owned());
    match waterwheel::run(echo(&address, message)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
