//! A loop that is not running: written bytes are sent at once.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use crate::common::bytes::pattern;
use crate::common::recorder::Recorder;
use crate::common::trace::Trace;
use crate::common::until::until;
use crate::common::watchdog::watchdog;
use waterwheel::{EventLoop, Transport, open_connection};

/// A protocol's transport, and its peer, a plain blocking socket with a time limit.
fn connected(event_loop: &mut EventLoop, protocol: &Rc<Recorder>) -> (Rc<dyn Transport>, TcpStream) {
    let protocol = Rc::clone(protocol);
    let (transport, peer) = event_loop.run(crate::common::connected::connect(protocol));
    peer.set_nonblocking(false).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (transport, peer)
}

fn receive(mut peer: &TcpStream, n: usize) -> Vec<u8> {
    let mut data = vec![0; n];
    peer.read_exact(&mut data).expect("what was written has been sent, though no run is going on");
    data
}

#[test]
fn what_is_written_between_two_runs_is_sent_at_once() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (transport, peer) = connected(&mut event_loop, &Recorder::new());
    transport.write(b"one");
    assert_eq!(receive(&peer, 3), b"one");
    transport.writelines(&[b"two".as_slice(), b"three"].map(std::io::IoSlice::new));
    assert_eq!(receive(&peer, 8), b"twothree");
    assert_eq!(transport.get_write_buffer_size(), 0);
    transport.write(b"last");
    transport.write_eof();
    let mut rest = Vec::new();
    (&peer).read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"last");
    event_loop.run(async {});
}

#[test]
fn a_stream_written_between_two_runs_is_sent_at_once() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (mut reader, writer) = event_loop.run(async { open_connection(address).await.unwrap() });
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    for round in 0..3 {
        let message = format!("round {round}");
        writer.write(message.as_bytes());
        assert_eq!(receive(&peer, message.len()), message.as_bytes());
        // An answer that arrives meanwhile is there in the next run.
        (&peer).write_all(message.as_bytes()).unwrap();
        assert_eq!(event_loop.run(reader.readexactly(message.len())).unwrap(), message.as_bytes());
    }
}

#[test]
fn a_protocol_is_told_to_pause_between_two_runs_and_may_write_from_inside_that() {
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let incidents = Trace::default();
    let told = incidents.clone();
    event_loop.handle().set_debug(false); // The speed of the machine does not matter here.
    event_loop.handle().set_exception_handler(move |incident| told.say(incident.to_string()));
    let other = Recorder::new();
    let (other_transport, other_peer) = connected(&mut event_loop, &other);
    // In `pause_writing`, the protocol writes more, and also to another connection.
    let others = Rc::clone(&other_transport);
    let protocol = Recorder::reacting(move |word, this| {
        if word == "pause" {
            this.transport().write(b"from inside");
            others.write(b"pause");
        }
    });
    let (transport, peer) = connected(&mut event_loop, &protocol);
    // Small writes, which are gathered until the kernel is full.
    let data = pattern(64 * 1024 * 1024);
    let mut written = 0;
    while transport.get_write_buffer_size() <= 64 * 1024 {
        transport.write(&data[written..written + 1000]);
        written += 1000;
    }
    let words = |recorder: &Recorder| recorder.words().iter().filter(|word| *word == "pause").count();
    assert_eq!(words(&protocol), 1, "{:?}", protocol.words());
    assert_eq!(receive(&other_peer, 5), b"pause");
    let expected = [&data[..written], b"from inside"].concat();
    let len = expected.len();
    let reading = thread::spawn(move || receive(&peer, len));
    let all_sent = Rc::clone(&transport);
    event_loop.run(until("all is sent", || all_sent.get_write_buffer_size() == 0));
    assert!(reading.join().unwrap() == expected, "the bytes came in another order");
    assert_eq!(incidents.words(), Vec::<String>::new());
}

#[test]
fn what_a_main_future_writes_as_it_is_dropped_is_sent_in_its_run() {
    struct Farewell(Rc<dyn Transport>, Rc<Cell<bool>>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.write(b"farewell");
            self.1.set(true);
        }
    }
    let _watchdog = watchdog();
    let mut event_loop = EventLoop::new().unwrap();
    let (transport, peer) = connected(&mut event_loop, &Recorder::new());
    let dropped = Rc::new(Cell::new(false));
    let farewell = Farewell(transport, Rc::clone(&dropped));
    event_loop.run(async move {
        let _farewell = farewell;
    });
    assert!(dropped.get());
    assert_eq!(receive(&peer, 8), b"farewell");
}

/// The peer is rustls on a blocking socket, in a thread. It reports each message, and then echoes it.
#[cfg(feature = "tls")]
#[test]
fn what_is_written_over_tls_between_two_runs_is_sent_at_once() {
    use waterwheel::rustls::{ServerConnection, StreamOwned};
    use waterwheel::{TlsClient, TlsServer};

    let _watchdog = watchdog();
    let authority = crate::common::certificates::Authority::new();
    let identity = authority.sign(&["localhost"]);
    let config = TlsServer::new(&identity.chain, &identity.key).unwrap().rustls_config();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let serving = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
        for _ in 0..3 {
            let mut message = [0; 8];
            tls.read_exact(&mut message).expect("what was written has been sent, though no run is going on");
            tell.send(message).unwrap();
            tls.write_all(&message).unwrap();
        }
    });
    let mut event_loop = EventLoop::new().unwrap();
    let client = TlsClient::with_roots(&authority.pem).unwrap();
    let connecting = open_connection(address).tls(client).server_hostname("localhost");
    let (mut reader, writer) = event_loop.run(async { connecting.await.unwrap() });
    for message in [b"message1", b"message2", b"message3"] {
        // Two writes, each sent at once; the peer reads both.
        writer.write(&message[..3]);
        writer.write(&message[3..]);
        assert_eq!(&told.recv_timeout(Duration::from_secs(20)).expect("it was sent"), message);
        assert_eq!(event_loop.run(reader.readexactly(8)).unwrap(), message);
    }
    serving.join().unwrap();
}
