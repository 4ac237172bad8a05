//! A loop can be built with any numbers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use waterwheel::{Builder, EventLoop, StreamReader, StreamWriter, start_server, timeout};

const PATIENCE: Duration = Duration::from_secs(20);
const CLIENTS: usize = 8;

/// Has a loop with these settings serve several clients at once.
fn serves(builder: Builder) {
    builder.build().expect("a loop").run(async {
        let echo = |mut reader: StreamReader, writer: StreamWriter| async move {
            writer.write(&reader.readline().await.expect("a line"));
        };
        let server = start_server(echo, "127.0.0.1:0").await.expect("a server");
        let address = server.local_addrs()[0];
        let clients = thread::spawn(move || {
            let streams: Vec<TcpStream> =
                (0..CLIENTS).map(|_| TcpStream::connect(address).expect("a server")).collect();
            streams.iter().for_each(|mut stream| stream.write_all(b"a line\n").expect("it reads"));
            for mut stream in streams {
                stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("an answer");
                assert_eq!(answer, "a line\n");
            }
        });
        let served = async {
            while !clients.is_finished() {
                waterwheel::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, served).await.expect("all are served in time");
        clients.join().expect("every client has its line");
    });
}

#[test]
fn no_event_at_a_time_counts_as_one_and_too_many_as_the_most() {
    serves(EventLoop::builder().event_capacity(0));
    serves(EventLoop::builder().event_capacity(usize::MAX));
}

#[test]
fn no_handle_between_two_looks_counts_as_one_and_all_of_them_starve_nobody() {
    serves(EventLoop::builder().handles_per_poll(0));
    // Nothing is ready all the time here, so the loop still polls whenever it is idle.
    serves(EventLoop::builder().handles_per_poll(usize::MAX));
}

#[test]
fn a_loop_serves_as_well_while_it_spins() {
    serves(EventLoop::builder().spin(Duration::from_micros(50)));
    serves(EventLoop::builder().spin(Duration::MAX));
}
