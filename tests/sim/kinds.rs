//! Unix sockets, pipes, datagrams and names.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::sim::{Fault, Faults, Sim};
use waterwheel::{
    Address, DatagramProtocol, get_running_loop, open_connection, open_read_pipe, open_unix_connection,
    open_write_pipe, sleep, spawn, start_unix_server,
};

use crate::hosts::{a_moment, add_echo, echo, pattern};

#[test]
fn unix_sockets_belong_to_their_host() {
    let mut sim = Sim::new(1);
    sim.set_faults(Faults::benign());
    sim.host("other", || async { start_unix_server(echo, "/run/echo").await?.serve_forever().await });
    sim.client("client", async {
        a_moment().await;
        let error = open_unix_connection("/run/echo").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let server = start_unix_server(echo, "/run/echo").await?;
        let (mut reader, writer) = open_unix_connection("/run/echo").await?;
        writer.write(&pattern(3000));
        writer.write_eof();
        assert!(reader.read_to_end().await? == pattern(3000));
        server.close();
        assert!(open_unix_connection("/run/echo").await.is_err());
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_pipe_takes_bytes_one_way_and_holds_its_writer_back() {
    let mut sim = Sim::new(1);
    sim.set_faults(Faults::benign());
    let world = sim.handle();
    sim.client("client", async move {
        let (read, write) = world.pipe("client")?;
        let (mut reader, writer) = (open_read_pipe(read).await?, open_write_pipe(write).await?);
        let writing = spawn(async move {
            writer.write(&pattern(300_000));
            writer.drain().await?;
            io::Result::Ok(())
        });
        sleep(Duration::from_secs(1)).await;
        assert!(!writing.is_finished(), "there is no room for so much");
        assert!(reader.read_to_end().await? == pattern(300_000));
        writing.await.expect("it does not panic")
    });
    sim.run().unwrap();
}

#[test]
fn who_writes_to_a_pipe_that_nobody_reads_is_told() {
    let mut sim = Sim::new(1);
    let world = sim.handle();
    sim.client("client", async move {
        let (read, write) = world.pipe("client")?;
        let (reader, writer) = (open_read_pipe(read).await?, open_write_pipe(write).await?);
        writer.write(&pattern(300_000));
        a_moment().await;
        drop(reader);
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_pipe_of_the_system_has_no_place_here() {
    let mut sim = Sim::new(1);
    sim.client("client", async {
        let (read, _write) = std::os::unix::net::UnixStream::pair()?;
        assert_eq!(open_read_pipe(read).await.unwrap_err().kind(), ErrorKind::Unsupported);
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[derive(Default)]
struct Received {
    datagrams: RefCell<Vec<(Vec<u8>, Address)>>,
    errors: RefCell<Vec<ErrorKind>>,
}

impl DatagramProtocol for Received {
    fn datagram_received(&self, data: &[u8], from: &Address) {
        self.datagrams.borrow_mut().push((data.to_vec(), from.clone()));
    }

    fn error_received(&self, error: io::Error) {
        self.errors.borrow_mut().push(error.kind());
    }
}

/// Sends this many numbered datagrams, and returns the numbers that arrived.
fn datagrams_that_came(sim: &mut Sim, count: u32) -> Vec<u32> {
    let received = Rc::new(Received::default());
    let receiving = Rc::clone(&received);
    sim.host("receiver", move || {
        let receiving = Rc::clone(&receiving);
        async move {
            let endpoint = get_running_loop().create_datagram_endpoint(|| receiving).local_addr("0.0.0.0:5000");
            let (_transport, _protocol) = endpoint.await?;
            std::future::pending::<io::Result<()>>().await
        }
    });
    let address = SocketAddr::new(sim.handle().addresses("receiver")[0], 5000);
    sim.client("sender", async move {
        a_moment().await;
        let endpoint = get_running_loop().create_datagram_endpoint(Rc::<Received>::default).remote_addr(address);
        let (transport, _protocol) = endpoint.await?;
        for number in 0..count {
            transport.sendto(&number.to_be_bytes(), None)?;
        }
        sleep(Duration::from_secs(1)).await;
        io::Result::Ok(())
    });
    sim.run().unwrap();
    let datagrams = received.datagrams.borrow();
    let sender = sim.handle().addresses("sender")[0];
    assert!(datagrams.iter().all(|(_, from)| from.as_inet().unwrap().ip() == sender));
    datagrams.iter().map(|(data, _)| u32::from_be_bytes(data[..].try_into().unwrap())).collect()
}

#[test]
fn datagrams_come_in_any_order_twice_or_not_at_all() {
    let mut sim = Sim::new(1);
    let mut came = datagrams_that_came(&mut sim, 500);
    assert!(!came.is_sorted());
    came.sort_unstable();
    assert!(came.into_iter().eq(0..500), "without faults each comes once");

    let mut sim = Sim::new(1);
    sim.set_faults(Faults::harsh());
    let came = datagrams_that_came(&mut sim, 500).len() as u64;
    let (lost, doubled) = (sim.count(Fault::LostDatagram), sim.count(Fault::DoubledDatagram));
    assert!(lost > 0 && doubled > 0);
    assert_eq!(came, 500 - lost + doubled);
}

#[test]
fn who_sends_datagrams_to_nobody_is_told_if_connected() {
    let mut sim = Sim::new(1);
    sim.host("receiver", async || {});
    let address = SocketAddr::new(sim.handle().addresses("receiver")[0], 5000);
    sim.client("sender", async move {
        let endpoint = get_running_loop().create_datagram_endpoint(Rc::<Received>::default).remote_addr(address);
        let (transport, protocol) = endpoint.await?;
        transport.sendto(b"anybody?", None)?;
        a_moment().await;
        assert_eq!(*protocol.errors.borrow(), [ErrorKind::ConnectionRefused]);
        io::Result::Ok(())
    });
    sim.run().unwrap();
}

#[test]
fn a_name_means_what_it_was_set_to() {
    let mut sim = Sim::new(1);
    add_echo(&mut sim, "server");
    let world = sim.handle();
    let [v4, v6] = world.addresses("server");
    // The first address refuses, so the second one is tried.
    world.set_name("echo.example", [v6, v4]);
    sim.client("client", async move {
        a_moment().await;
        let (_reader, writer) = open_connection(("echo.example", 7)).await?;
        let info = writer.extra_info();
        assert_eq!(info.peername().unwrap().as_inet().unwrap().ip(), v4);
        assert_eq!(info.sockname().unwrap().as_inet().unwrap().ip(), world.addresses("client")[0]);
        io::Result::Ok(())
    });
    sim.run().unwrap();
}
