//! How a run ends if its clients are not done.

use std::io;
use std::time::Duration;

use waterwheel::sim::{FailureKind, Sim};
use waterwheel::{get_running_loop, open_connection, sleep, spawn, start_server};

use crate::hosts::{a_moment, add_echo};

#[test]
fn when_everybody_waits_for_somebody_else_it_says_so_with_every_task() {
    let mut sim = Sim::new(7);
    let handler = async |mut reader: waterwheel::StreamReader, _writer| reader.readline().await.map(drop);
    sim.host("server", move || async move { start_server(handler, "0.0.0.0:7").await?.serve_forever().await });
    sim.client("client", async {
        a_moment().await;
        let (mut reader, _writer) = open_connection(("server", 7)).await?;
        reader.readexactly(5).await?;
        io::Result::Ok(())
    });
    let failure = sim.run().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadlock);
    let text = failure.to_string();
    assert!(text.starts_with("deadlock: nothing will ever happen again\nseed 7, after 0.0"), "{text}");
    for part in ["host server:", "readline at tests/sim/ends.rs", "host client:", "readexactly 5 at tests/sim/ends.rs"]
    {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    let [server, client] = &failure.hosts[..] else { panic!("two hosts") };
    assert_eq!((&server.0[..], &client.0[..]), ("server", "client"));
    assert_eq!(client.1.tasks.len(), 1);
    assert_eq!(client.1.tasks[0].spawned_at.file(), file!());
}

#[test]
fn a_main_future_that_fails_and_a_task_that_panics_end_the_run() {
    let mut sim = Sim::new(1);
    sim.client("client", async { Err::<(), _>(io::Error::other("no luck")) });
    let failed = FailureKind::Failed { host: "client".to_owned(), text: "no luck".to_owned() };
    assert_eq!(sim.run().unwrap_err().kind, failed);

    for in_a_task_of_its_own in [false, true] {
        let mut sim = Sim::new(1);
        sim.client("client", async move {
            if in_a_task_of_its_own {
                drop(spawn(async { panic!("one and one are three") }));
                sleep(Duration::from_secs(1)).await;
            } else {
                panic!("one and one are three");
            }
        });
        let FailureKind::Panicked { host, text } = sim.run().unwrap_err().kind else { panic!("it panicked") };
        assert_eq!(host, "client");
        assert!(text.contains("one and one are three") && text.contains("tests/sim/ends.rs"), "{text}");
    }
}

#[test]
fn limits_end_a_run_that_would_not_end() {
    let endless = async {
        while !get_running_loop().is_closed() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut sim = Sim::new(1);
    sim.time_limit(Duration::from_secs(60));
    sim.client("client", endless);
    assert_eq!(sim.run().unwrap_err().kind, FailureKind::TimeLimit);
    assert_eq!(sim.handle().elapsed().as_secs(), 60);

    let mut sim = Sim::new(1);
    sim.event_limit(1000);
    sim.client("client", async {
        while !get_running_loop().is_closed() {
            waterwheel::yield_now().await;
        }
    });
    let failure = sim.run().unwrap_err();
    assert_eq!((failure.kind, failure.events), (FailureKind::EventLimit, 1000));
}

#[test]
fn without_clients_it_runs_until_nothing_is_left_to_happen() {
    let mut sim = Sim::new(1);
    add_echo(&mut sim, "server");
    sim.host("visitor", async || {
        a_moment().await;
        let (mut reader, writer) = open_connection(("server", 7)).await?;
        writer.write(b"x");
        reader.readexactly(1).await?;
        sleep(Duration::from_secs(3600)).await;
        io::Result::Ok(())
    });
    sim.run().unwrap();
    assert_eq!(sim.handle().elapsed().as_secs(), 3600);
    assert!(!sim.step().unwrap());
}

#[test]
fn a_host_is_started_though_nothing_else_is_left_to_happen() {
    let mut sim = Sim::new(1);
    add_echo(&mut sim, "server");
    sim.run_for(Duration::from_secs(1)).unwrap();
    sim.handle().crash("server");
    sim.run_for(Duration::from_secs(1)).unwrap();
    assert!(sim.dump_tasks("server").is_none());
    sim.handle().start("server");
    sim.run_for(Duration::from_secs(1)).unwrap();
    assert!(sim.dump_tasks("server").is_some());
}

#[test]
fn what_a_host_held_is_dropped_with_the_simulation() {
    let held = std::rc::Rc::new(());
    let watched = std::rc::Rc::downgrade(&held);
    let mut sim = Sim::new(1);
    add_echo(&mut sim, "server");
    sim.host("client", move || {
        let held = held.clone();
        async move {
            a_moment().await;
            let (mut reader, writer) = open_connection(("server", 7)).await?;
            writer.write(b"on its way");
            reader.readexactly(100).await?;
            drop(held);
            io::Result::Ok(())
        }
    });
    let world = std::rc::Rc::new(sim.handle());
    sim.run_for(Duration::from_millis(11)).unwrap();
    drop(sim);
    assert!(watched.upgrade().is_none());
    assert_eq!(std::rc::Rc::strong_count(&world), 1);
}
