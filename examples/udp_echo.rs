//! A UDP echo server and its client, in one loop.
//!
//!     cargo run --example udp_echo [MESSAGE]

use std::cell::OnceCell;
use std::env;
use std::io;
use std::rc::Rc;

use waterwheel::{Address, ConnectionError, DatagramProtocol, DatagramTransport, Promise, get_running_loop};

#[derive(Default)]
struct EchoServer {
    transport: OnceCell<Rc<dyn DatagramTransport>>,
}

impl DatagramProtocol for EchoServer {
    fn connection_made(&self, transport: Rc<dyn DatagramTransport>) {
        let _ = self.transport.set(transport); // it is called once
    }

    fn datagram_received(&self, data: &[u8], from: &Address) {
        println!("Server received {:?}", String::from_utf8_lossy(data));
        let transport = self.transport.get().expect("datagrams come after connection_made");
        transport.sendto(data, Some(from)).expect("an endpoint without a peer sends anywhere");
    }
}

struct EchoClient {
    message: String,
    answer: Promise<Result<(), ConnectionError>>,
}

impl DatagramProtocol for EchoClient {
    fn connection_made(&self, transport: Rc<dyn DatagramTransport>) {
        println!("Client sends {:?}", self.message);
        transport.sendto(self.message.as_bytes(), None).expect("an endpoint with a peer needs no address");
    }

    fn datagram_received(&self, data: &[u8], _from: &Address) {
        println!("Client received {:?}", String::from_utf8_lossy(data));
        let _ = self.answer.set(Ok(())); // only the first counts
    }

    fn error_received(&self, error: io::Error) {
        let _ = self.answer.set(Err(error.into())); // only the first counts
    }
}

async fn udp_echo(message: String) -> io::Result<()> {
    let event_loop = get_running_loop();
    let endpoint = event_loop.create_datagram_endpoint(Rc::<EchoServer>::default).local_addr("127.0.0.1:0");
    let (server, _) = endpoint.await?;
    let address = server.extra_info().sockname().and_then(Address::as_inet).expect("it is bound");

    let client = Rc::new(EchoClient { message, answer: Promise::new() });
    let (transport, client) = event_loop.create_datagram_endpoint(|| client).remote_addr(address).await?;
    client.answer.wait().await?;

    transport.close();
    server.close();
    Ok(())
}

fn main() -> io::Result<()> {
    let message = env::args().nth(1).unwrap_or_else(|| "Hello World!".to_owned());
    waterwheel::run(udp_echo(message))
}
