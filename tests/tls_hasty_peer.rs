//! A peer that ends its session in the segment that ends its handshake.

#![cfg(feature = "tls")]

#[path = "common/certificates.rs"]
mod certificates;

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use certificates::Authority;
use waterwheel::rustls::{ClientConfig, ClientConnection};
use waterwheel::{StreamReader, StreamWriter, TlsClient, TlsServer, start_server, timeout, yield_now};

const NAME: &str = "here.test";

/// Ends its session in the segment that ends its handshake, with nothing said. Returns what the server says.
fn hasty_client(address: SocketAddr, config: Arc<ClientConfig>) -> io::Result<Vec<u8>> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut engine = ClientConnection::new(config, NAME.try_into().unwrap()).map_err(io::Error::other)?;
    let mut answer = Vec::new();
    loop {
        if !engine.is_handshaking() {
            engine.send_close_notify();
        }
        let mut segment = Vec::new();
        while engine.wants_write() {
            engine.write_tls(&mut segment)?;
        }
        socket.write_all(&segment)?;
        if !engine.is_handshaking() {
            break;
        }
        engine.read_tls(&mut socket)?;
        engine.process_new_packets().map_err(io::Error::other)?;
    }
    loop {
        engine.read_tls(&mut socket)?;
        let state = engine.process_new_packets().map_err(io::Error::other)?;
        match engine.reader().read_to_end(&mut answer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome.map(|_| answer),
        }
        assert!(!state.peer_has_closed(), "that was the end");
    }
}

#[test]
fn a_session_that_ends_in_the_segment_of_its_handshake_is_served_and_ended_in_order() {
    let authority = Authority::new();
    let identity = authority.sign(&[NAME]);
    let server = TlsServer::new(&identity.chain, &identity.key).unwrap();
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    let main = async {
        let handled = Rc::new(Cell::new(0));
        let count = Rc::clone(&handled);
        let handler = move |mut reader: StreamReader, writer: StreamWriter| {
            let count = Rc::clone(&count);
            async move {
                assert_eq!(reader.read(1).await.unwrap(), b"");
                writer.close();
                count.set(count.get() + 1);
            }
        };
        let server = start_server(handler, "127.0.0.1:0").tls(server).await.unwrap();
        let (address, config) = (server.local_addrs()[0], client.rustls_config());
        let client = thread::spawn(move || hasty_client(address, config));
        while !client.is_finished() {
            yield_now().await;
        }
        assert_eq!(client.join().unwrap().unwrap(), b"");
        while handled.get() == 0 {
            yield_now().await;
        }
    };
    waterwheel::run(async { timeout(Duration::from_secs(30), main).await.expect("the test hangs") });
}
