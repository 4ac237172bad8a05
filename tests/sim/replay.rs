//! A seed decides everything.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use waterwheel::sim::{Fault, Faults, Sim};
use waterwheel::{Promise, get_running_loop, open_connection, race, sleep, spawn};

use crate::hosts::{a_moment, add_echo, pattern};

/// Runs several clients that talk to one server, and returns the finished simulation.
fn run(seed: u64, faults: Faults) -> Sim {
    let mut sim = Sim::new(seed);
    sim.set_faults(faults);
    add_echo(&mut sim, "server");
    for number in 0..3 {
        sim.client(&format!("client {number}"), async move {
            a_moment().await;
            let (mut reader, writer) = open_connection(("server", 7)).await?;
            let sent = pattern(20_000 * number + 1);
            let copy = sent.clone();
            let writing = spawn(async move {
                for part in copy.chunks(997) {
                    writer.write(part);
                    writer.drain().await?;
                }
                writer.write_eof();
                io::Result::Ok(writer)
            });
            assert!(reader.read_to_end().await? == sent);
            writing.await.expect("it does not panic").map(drop)
        });
    }
    sim.run().unwrap();
    sim
}

#[test]
fn two_runs_of_a_seed_take_one_course_and_another_seed_takes_another() {
    for seed in 0..20 {
        let [first, second] = [run(seed, Faults::benign()), run(seed, Faults::benign())];
        assert_eq!(first.digest(), second.digest(), "seed {seed}");
        assert_eq!(first.events(), second.events(), "seed {seed}");
        assert_eq!(first.handle().elapsed(), second.handle().elapsed(), "seed {seed}");
        assert_ne!(first.digest(), run(seed + 1, Faults::benign()).digest(), "seed {seed}");
    }
}

#[test]
fn every_benign_fault_happens() {
    let runs: Vec<Sim> = (0..5).map(|seed| run(seed, Faults::benign())).collect();
    let benign = [
        Fault::ShortReceive,
        Fault::ShortSend,
        Fault::WouldBlock,
        Fault::FalseEvent,
        Fault::LateEvent,
        Fault::SlowSegment,
    ];
    for fault in benign {
        assert!(runs.iter().any(|sim| sim.count(fault) > 0), "{fault}");
    }
    assert!(runs.iter().all(|sim| sim.count(Fault::Reset) == 0));
}

#[test]
fn without_faults_nothing_goes_wrong() {
    let sim = run(3, Faults::none());
    assert_eq!(sim.count(Fault::ShortSend) + sim.count(Fault::FalseEvent) + sim.count(Fault::LateEvent), 0);
}

#[test]
fn a_day_passes_without_waiting_and_whoever_only_yields_does_not_stop_the_time() {
    let mut sim = Sim::new(1);
    sim.client("sleeper", async {
        let day = Duration::from_secs(60 * 60 * 24 - 1);
        let spinning = spawn(async {
            loop {
                waterwheel::yield_now().await;
            }
        });
        sleep(Duration::from_millis(5)).await;
        spinning.cancel();
        sleep(day - Duration::from_millis(5)).await;
    });
    sim.run().unwrap();
    assert!(sim.handle().elapsed().as_secs() >= 60 * 60 * 24 - 1);
}

#[test]
fn a_host_hears_at_once_of_what_another_one_does_to_its_loop_past_the_network() {
    let mut sim = Sim::new(1);
    let (told, asked) = (Promise::new(), Promise::new());
    let (tells, answers) = (told.clone(), asked.clone());
    let world = sim.handle();
    let elapsed = move || world.elapsed().as_millis();
    let times = elapsed.clone();
    sim.client("sleeper", async move {
        let _first = answers.set(get_running_loop());
        told.wait().await;
        assert_eq!(times(), 1000, "it was woken by a promise");
        sleep(Duration::from_secs(3600)).await;
    });
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hears = Rc::clone(&heard);
    sim.client("other", async move {
        sleep(Duration::from_secs(1)).await;
        let _first = tells.set(());
        let sleeper = asked.wait().await;
        for (name, delay) in [("soon", 0), ("later", 500)] {
            let (hears, elapsed) = (Rc::clone(&hears), elapsed.clone());
            sleeper.call_later(Duration::from_millis(delay), move || hears.borrow_mut().push((name, elapsed())));
        }
    });
    sim.run().unwrap();
    assert_eq!(*heard.borrow(), [("soon", 1000), ("later", 1500)]);
}

#[test]
fn work_on_a_thread_takes_no_simulated_time() {
    let mut sim = Sim::new(1);
    let world = sim.handle();
    sim.client("worker", async move {
        let before = world.elapsed();
        let working = waterwheel::to_thread(|| std::thread::sleep(Duration::from_millis(10)));
        let won = race((
            async {
                working.await.expect("it does not panic");
                "the work"
            },
            async {
                sleep(Duration::from_millis(1)).await;
                "the timer"
            },
        ));
        assert_eq!(won.await, "the work");
        assert!(world.elapsed() - before < Duration::from_millis(1));
    });
    sim.run().unwrap();
}
