//! The lives and ends of connections on a simulated network.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::time::Duration;

use waterwheel::sim::{Faults, Sim};
use waterwheel::{
    AfterEof, ConnectionError, LookUpError, LookUpErrorKind, Protocol, StreamReader, StreamWriter, Transport,
    get_running_loop, open_connection, sleep, start_server, timeout,
};

use crate::hosts::{a_moment, add_echo, echo, pattern};

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    result.err().expect("it fails").kind()
}

#[test]
fn connecting_fails_as_on_a_real_network() {
    let mut sim = Sim::new(1);
    let world = sim.handle();
    add_echo(&mut sim, "server");
    sim.client("client", async move {
        a_moment().await;
        assert_eq!(kind(open_connection(("server", 8)).await), ErrorKind::ConnectionRefused);
        assert_eq!(kind(open_connection("10.9.9.9:7").await), ErrorKind::HostUnreachable);
        let error = open_connection(("nowhere", 7)).await.unwrap_err();
        assert_eq!(LookUpError::of(&error).unwrap().kind(), LookUpErrorKind::NoSuchName);
        world.crash("server");
        let before = world.elapsed();
        let address = (world.addresses("server")[0], 7);
        assert_eq!(kind(open_connection(address).await), ErrorKind::TimedOut);
        // As on Linux: the SYN is repeated after 1, 2, 4 … 32 seconds, and the attempt ends 64 seconds later.
        assert_eq!((world.elapsed() - before).as_secs(), 127);
    });
    sim.run().unwrap();
}

#[test]
fn a_partition_holds_bytes_back_and_loses_none() {
    let mut sim = Sim::new(1);
    let world = sim.handle();
    add_echo(&mut sim, "server");
    sim.client("client", async move {
        a_moment().await;
        let (mut reader, writer) = open_connection(("server", 7)).await?;
        world.partition("client", "server");
        let sent = pattern(5000);
        writer.write(&sent);
        assert!(timeout(Duration::from_secs(60), reader.readexactly(1)).await.is_err());
        world.heal("client", "server");
        assert!(reader.readexactly(5000).await? == sent);
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn one_direction_can_be_cut_alone() {
    let mut sim = Sim::new(1);
    let world = sim.handle();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hears = Rc::clone(&heard);
    sim.host("server", move || {
        let hears = Rc::clone(&hears);
        async move {
            let handler = move |mut reader: StreamReader, writer: StreamWriter| {
                let hears = Rc::clone(&hears);
                async move {
                    let line = reader.readline().await?;
                    hears.borrow_mut().push(line);
                    writer.write(b"answer\n");
                    reader.readline().await.map(drop)
                }
            };
            start_server(handler, "0.0.0.0:7").await?.serve_forever().await
        }
    });
    sim.client("client", async move {
        a_moment().await;
        let (mut reader, writer) = open_connection(("server", 7)).await?;
        world.cut("server", "client");
        writer.write(b"question\n");
        assert!(timeout(Duration::from_secs(1), reader.readline()).await.is_err());
        assert_eq!(*heard.borrow(), [b"question\n"]);
        world.heal("server", "client");
        assert_eq!(reader.readline().await?, b"answer\n");
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_sender_whose_bytes_never_arrive_is_told_at_last() {
    let mut sim = Sim::new(1);
    let world = sim.handle();
    add_echo(&mut sim, "server");
    sim.client("client", async move {
        a_moment().await;
        let (mut reader, writer) = open_connection(("server", 7)).await?;
        world.partition("client", "server");
        let before = world.elapsed();
        writer.write(b"to nobody");
        assert_eq!(kind(reader.readexactly(1).await.map_err(io::Error::from)), ErrorKind::TimedOut);
        assert_eq!((world.elapsed() - before).as_secs(), 15 * 60);
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_host_that_crashed_and_came_back_knows_nothing_of_its_connections() {
    let mut sim = Sim::new(1);
    let world = sim.handle();
    add_echo(&mut sim, "server");
    sim.client("client", async move {
        a_moment().await;
        let (mut reader, writer) = open_connection(("server", 7)).await?;
        writer.write(b"a");
        reader.readexactly(1).await?;
        world.crash("server");
        // An idle peer does not notice the crash.
        assert!(timeout(Duration::from_secs(3600), reader.read(1)).await.is_err());
        world.start("server");
        a_moment().await;
        writer.write(b"b");
        assert_eq!(kind(reader.read(1).await), ErrorKind::ConnectionReset);
        let (mut reader, writer) = open_connection(("server", 7)).await?;
        writer.write(b"c");
        assert_eq!(reader.readexactly(1).await?, b"c");
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_sender_that_waits_for_room_at_a_host_that_crashed_is_told_when_it_is_back() {
    let mut sim = Sim::new(1);
    let world = sim.handle();
    sim.host("server", || async {
        let handler = async |_reader, _writer| std::future::pending::<()>().await;
        start_server(handler, "0.0.0.0:7").await?.serve_forever().await
    });
    sim.client("client", async move {
        a_moment().await;
        let (_reader, writer) = open_connection(("server", 7)).await?;
        writer.write(&pattern(10_000_000));
        assert!(timeout(Duration::from_secs(60), writer.drain()).await.is_err(), "nobody receives so much");
        world.crash("server");
        assert!(timeout(Duration::from_secs(60), writer.drain()).await.is_err(), "nobody is there to say anything");
        world.start("server");
        assert_eq!(kind(writer.drain().await), ErrorKind::ConnectionReset);
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

/// A protocol's callbacks about the end.
#[derive(Default)]
struct Ends(RefCell<Vec<String>>);

impl Protocol for Ends {
    fn eof_received(&self) -> AfterEof {
        self.0.borrow_mut().push("eof".to_owned());
        AfterEof::KeepOpen
    }

    fn connection_lost(&self, error: Option<ConnectionError>) {
        self.0.borrow_mut().push(format!("lost: {:?}", error.map(|error| error.kind())));
    }
}

#[test]
fn a_reset_behind_the_end_is_no_news_to_who_receives() {
    let mut sim = Sim::new(1);
    // The server has ended its side before anything arrives.
    sim.host("server", || async { start_server(async |_, _| (), "0.0.0.0:7").await?.serve_forever().await });
    sim.client("client", async {
        a_moment().await;
        let (transport, ends) = get_running_loop().create_connection(Rc::<Ends>::default, ("server", 7)).await?;
        transport.pause_reading();
        a_moment().await;
        transport.write(b"to nobody");
        a_moment().await;
        transport.resume_reading();
        a_moment().await;
        // As on Linux, only a sender learns of the reset.
        assert_eq!(*ends.0.borrow(), ["eof"]);
        transport.write(b"again");
        a_moment().await;
        assert_eq!(*ends.0.borrow(), ["eof", "lost: Some(BrokenPipe)"]);
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn each_direction_ends_alone() {
    let mut sim = Sim::new(1);
    add_echo(&mut sim, "server");
    sim.client("client", async {
        a_moment().await;
        let (mut reader, writer) = open_connection(("server", 7)).await?;
        writer.write(b"all of it");
        writer.write_eof();
        assert_eq!(reader.read_to_end().await?, b"all of it");
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_peer_that_reads_nothing_holds_the_writer_back_and_is_served_when_it_reads() {
    let mut sim = Sim::new(1);
    let world = sim.handle();
    const TOTAL: usize = 1_000_000;
    sim.host("server", || async {
        let handler = async |_, writer: StreamWriter| {
            for part in pattern(TOTAL).chunks(10_000) {
                writer.write(part);
                writer.drain().await?;
            }
            io::Result::Ok(())
        };
        start_server(handler, "0.0.0.0:7").await?.serve_forever().await
    });
    sim.client("client", async move {
        a_moment().await;
        let (mut reader, _writer) = open_connection(("server", 7)).limit(1000).await?;
        sleep(Duration::from_secs(100)).await;
        let before = world.elapsed();
        assert!(reader.read_to_end().await? == pattern(TOTAL));
        // This much fills a buffer about 15 times, and each time takes a round trip.
        assert!(world.elapsed() - before > Duration::from_millis(5), "it came through the network just now");
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

/// A protocol that takes nothing.
struct Deaf;

impl Protocol for Deaf {
    fn connection_made(&self, transport: Rc<dyn Transport>) {
        transport.pause_reading();
    }
}

/// The writer is dropped before anything is sent. On real sockets a busy machine's kernel may still pass bytes on while
/// the test's clock jumps; here it has passed on all that fits when the step ends.
#[test]
fn what_the_kernel_takes_at_the_end_of_the_step_is_no_progress_of_the_peer() {
    for reader_is_kept in [false, true] {
        let mut sim = Sim::new(1);
        let mut faults = Faults::none();
        faults.buffer = 10_000;
        sim.set_faults(faults);
        sim.configure(|builder| builder.close_timeout(Duration::from_secs(7)));
        sim.host("server", || async {
            let server = get_running_loop().create_server(|| Rc::new(Deaf), "0.0.0.0:7").await?;
            server.serve_forever().await
        });
        sim.client("client", async move {
            a_moment().await;
            let (reader, writer) = open_connection(("server", 7)).await?;
            pattern(30_000).chunks(1000).for_each(|piece| writer.write(piece));
            assert_eq!(writer.get_write_buffer_size(), 30_000, "it is gathered until the step ends");
            drop(writer);
            let mut reader = Some(reader);
            reader.take_if(|_| !reader_is_kept);
            let sources = || get_running_loop().dump_tasks().sources.len();
            sleep(Duration::from_millis(6_900)).await;
            assert_eq!(sources(), 1, "the reader is kept: {reader_is_kept}");
            sleep(Duration::from_millis(200)).await;
            assert_eq!(sources(), 0, "the reader is kept: {reader_is_kept}");
            io::Result::Ok(())
        });
        sim.run().unwrap();
    }
}

#[test]
fn bandwidth_takes_its_time() {
    let mut sim = Sim::new(1);
    let mut faults = Faults::none();
    faults.bandwidth = Some(100_000);
    sim.set_faults(faults);
    let world = sim.handle();
    add_echo(&mut sim, "server");
    sim.client("client", async move {
        a_moment().await;
        let (mut reader, writer) = open_connection(("server", 7)).await?;
        let before = world.elapsed();
        writer.write(&pattern(50_000));
        reader.readexactly(50_000).await?;
        // Half a second in each direction, part of it at the same time.
        let took = (world.elapsed() - before).as_millis();
        assert!((500..1100).contains(&took), "{took} ms");
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_server_out_of_descriptors_says_so_once_and_serves_again_when_there_are_some() {
    let mut sim = Sim::new(1);
    let (world, complaints) = (sim.handle(), Rc::new(Cell::new(0)));
    let complains = Rc::clone(&complaints);
    sim.host("server", move || {
        let complaints = Rc::clone(&complains);
        async move {
            get_running_loop().set_exception_handler(move |incident| {
                assert!(incident.message().starts_with("A server cannot accept connections"), "{incident:?}");
                complaints.set(complaints.get() + 1);
            });
            start_server(echo, "0.0.0.0:7").await?.serve_forever().await
        }
    });
    world.limit_descriptors("server", 3);
    sim.client("client", async move {
        a_moment().await;
        for shortages in 1..=2 {
            let mut served = Vec::new();
            for _ in 0..2 {
                let (mut reader, writer) = open_connection(("server", 7)).await?;
                writer.write(b"x");
                reader.readexactly(1).await?;
                served.push((reader, writer));
            }
            assert_eq!((world.open_descriptors("server"), complaints.get()), (3, shortages - 1));
            let (mut reader, writer) = open_connection(("server", 7)).await?;
            writer.write(b"y");
            assert!(timeout(Duration::from_secs(10), reader.readexactly(1)).await.is_err(), "it waits in the backlog");
            assert_eq!(complaints.get(), shortages, "it has tried again since, and said nothing");
            served.clear();
            assert_eq!(reader.readexactly(1).await?, b"y");
        }
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_program_that_tries_again_gets_through_every_fault() {
    let mut resets = 0;
    for seed in 0..20 {
        let mut sim = Sim::new(seed);
        sim.set_faults(Faults::harsh());
        add_echo(&mut sim, "server");
        sim.client("client", async {
            let sent = pattern(10_000);
            loop {
                sleep(Duration::from_millis(100)).await;
                let attempt = async {
                    let (mut reader, writer) = open_connection(("server", 7)).await?;
                    for part in sent.chunks(500) {
                        writer.write(part);
                        assert!(reader.readexactly(part.len()).await? == part);
                    }
                    io::Result::Ok(())
                };
                if let Ok(Ok(())) = timeout(Duration::from_secs(300), attempt).await {
                    break;
                }
            }
        });
        sim.run().unwrap();
        resets += sim.count(waterwheel::sim::Fault::Reset);
    }
    assert!(resets > 0);
}
