//! Many connections that are held open, and connection attempts that are dropped.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use waterwheel::{LoopHandle, StreamReader, StreamWriter, get_running_loop, open_connection, run, sleep, start_server};

use crate::common::give_up::give_up_after;
use crate::common::processes::until;
use crate::figures::figure;
use crate::servers::Server;

/// Raises this process's descriptor limit to its maximum.
fn raise_the_limit() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("up to the maximum");
}

async fn answer(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    while let Some(line) = reader.next_line().await? {
        writer.write(&line);
    }
    Ok(())
}

/// Lets the loop run until at most `expected` sources are watched.
async fn until_watched(event_loop: &LoopHandle, expected: usize) {
    for _ in 0..10_000 {
        if event_loop.dump_tasks().sources.len() <= expected {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("more is left than {expected} watched:\n{}", event_loop.dump_tasks());
}

#[test]
#[ignore = "takes many descriptors: see README.md"]
fn connections_that_are_held_all_answer_and_leave_nothing() {
    raise_the_limit();
    let count = figure("WATERWHEEL_HELD", 5_000);
    // A process of its own, which inherits the limit: each end of so many connections needs a descriptor.
    let server = Server::example("echo_streams");
    let before = server.descriptors().len();
    run(async {
        let event_loop = get_running_loop();
        let mut held = Vec::new();
        for _ in 0..count {
            held.push(open_connection(server.address).await?);
        }
        // The last one first, so that each connection has been idle for a while.
        for (number, (reader, writer)) in held.iter_mut().enumerate().rev() {
            writer.write(format!("{number}\n").as_bytes());
            assert_eq!(reader.readline().await?, format!("{number}\n").as_bytes());
        }
        assert_eq!(event_loop.dump_tasks().sources.len() as u64, count);
        assert_eq!(server.descriptors().len() as u64, before as u64 + count);
        drop(held);
        until_watched(&event_loop, 0).await;
        until("the server has closed its ends", || server.descriptors().len() == before);
        println!("{count} connections were held, for which the server had {} KiB at most", server.peak_memory());
        io::Result::Ok(())
    })
    .unwrap();
}

#[test]
#[ignore = "takes a while: see README.md"]
fn connects_that_are_given_up_leave_nothing() {
    raise_the_limit();
    let count = figure("WATERWHEEL_GIVEN_UP", 20_000);
    run(async {
        let event_loop = get_running_loop();
        let server = start_server(answer, "127.0.0.1:0").backlog(1000).await?;
        let mut given_up = 0;
        for number in 0..count {
            let connecting = open_connection(server.local_addrs()[0]);
            // Dropped at each of its first waits, and now and then not at all.
            let connected = give_up_after(number as usize % 20, connecting.into_future()).await;
            given_up += u64::from(connected.is_none());
            if number % 100 == 0 {
                until_watched(&event_loop, 100).await;
            }
        }
        assert!((count / 20..count).contains(&given_up), "{given_up}");
        until_watched(&event_loop, 1).await;
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await?;
        writer.write(b"and on\n");
        assert_eq!(reader.readline().await?, b"and on\n");
        println!("{count} connects, of which {given_up} were given up");
        io::Result::Ok(())
    })
    .unwrap();
}
