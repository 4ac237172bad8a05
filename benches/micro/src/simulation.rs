//! The simulation: events per second, with few hosts and with many.

use std::io;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use waterwheel::sim::{Faults, Sim};
use waterwheel::{StreamReader, StreamWriter, open_connection, sleep, start_server};

/// How many lines all clients together exchange with the server.
const LINES: usize = 20_000;

async fn echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    waterwheel::copy(&mut reader, &writer).await.map(drop)
}

/// A server, and clients on their own hosts, on a network that splits sent bytes into pieces and delays them.
fn world(hosts: usize) -> Sim {
    let mut sim = Sim::new(1);
    sim.set_faults(Faults::benign());
    sim.host("server", || async { start_server(echo, "0.0.0.0:7").await?.serve_forever().await });
    for number in 1..hosts {
        sim.client(&format!("client {number}"), async move {
            sleep(Duration::from_millis(10)).await;
            let (mut reader, writer) = open_connection(("server", 7)).await?;
            for _ in 0..LINES / hosts {
                writer.write(b"a line of some length\n");
                reader.readline().await?;
            }
            io::Result::Ok(())
        });
    }
    sim
}

#[divan::bench(args = [2, 10, 100, 1_000])]
fn events(bencher: Bencher<'_, '_>, hosts: usize) {
    let mut first = world(hosts);
    first.run().expect("it goes well");
    let events = ItemsCount::new(first.events() as usize);
    bencher.counter(events).with_inputs(|| world(hosts)).bench_local_refs(|sim| sim.run().expect("it goes well"));
}
