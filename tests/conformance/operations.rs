//! The steps of a scenario. Operations run concurrently with the scenario's later steps.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use waterwheel::{ReadError, Separators};

use crate::peer::{End, Ended, Lent, Peer};
use crate::recorder::Recorder;
use crate::scenario::Step;
use crate::trace::{io_error, read_error, shape};
use crate::world::World;

pub(crate) type Operation = Pin<Box<dyn Future<Output = Vec<Value>>>>;

pub(crate) enum Outcome {
    Nothing,
    Value(Value),
    Operation(Operation),
}

const READS: [&str; 10] = [
    "read",
    "read_to_end",
    "read_into",
    "fill_consume",
    "readline",
    "readline_into",
    "next_line",
    "readexactly",
    "readuntil",
    "readuntil_into",
];

pub(crate) fn perform(world: &Rc<World>, step: &Step<'_>, at: usize) -> Outcome {
    let end = world.end(at);
    if READS.contains(&step.name) || step.name == "at_eof" {
        let Some(mut lent) = end.lend() else { return Outcome::Value(json!("busy")) };
        if step.name == "at_eof" {
            return Outcome::Value(json!(lent.reader().at_eof()));
        }
        return Outcome::Operation(read(lent, step));
    }
    match step.name.split_once('.') {
        Some(("peer", name)) => peer(&end, name, step),
        Some(("server", name)) => server(world, name),
        Some(_) => panic!("there is no step {}", step.name),
        None => end_step(world, &end, step, at),
    }
}

/// Performs a step on a reader's feeder, a writer or a transport.
fn end_step(world: &Rc<World>, end: &Rc<End>, step: &Step<'_>, at: usize) -> Outcome {
    let feeder = end.feeder.borrow();
    match (step.name, &*feeder) {
        ("feed", Some(feeder)) => feeder.feed_data(&step.bytes(0)),
        ("feed_eof", Some(feeder)) => feeder.feed_eof(),
        ("set_exception", Some(feeder)) => feeder.set_exception(io::Error::other(step.text(0))),
        ("connect", _) => return connect(world, end),
        ("drain", _) => {
            let writer = end.writer();
            return operation(async move { plain(writer.drain().await) });
        }
        ("wait_closed", _) => {
            let writer = end.writer();
            return operation(async move { plain(writer.wait_closed().await) });
        }
        ("drop_writer", _) => {
            let writer = end.writer.take().expect("there is a writer");
            end.transport.replace(Some(writer.transport()));
        }
        ("set_protocol", _) => {
            end.below().set_protocol(Recorder::new(world, step.text(0), at, "second."));
        }
        _ if end.writer.borrow().is_some() => return writer_step(end, step),
        _ => return transport_step(end, step),
    }
    Outcome::Nothing
}

fn writer_step(end: &Rc<End>, step: &Step<'_>) -> Outcome {
    let writer = end.writer();
    match step.name {
        "write" => writer.write(&step.bytes(0)),
        "echo" => writer.write(&end.last.borrow()),
        "writelines" => writer.writelines(step.list(0)),
        "write_eof" => writer.write_eof(),
        "close" => writer.close(),
        "can_write_eof" => return Outcome::Value(json!(writer.can_write_eof())),
        "is_closing" => return Outcome::Value(json!(writer.is_closing())),
        _ => return transport_step(end, step),
    }
    Outcome::Nothing
}

fn transport_step(end: &Rc<End>, step: &Step<'_>) -> Outcome {
    let transport = end.below();
    match step.name {
        "write" => transport.write(&step.bytes(0)),
        "writelines" => {
            let parts = step.list(0);
            let slices: Vec<_> = parts.iter().map(|part| io::IoSlice::new(part)).collect();
            transport.writelines(&slices);
        }
        "write_eof" => transport.write_eof(),
        "close" => transport.close(),
        "abort" => transport.abort(),
        "pause_reading" => transport.pause_reading(),
        "resume_reading" => transport.resume_reading(),
        "set_limits" => {
            let limit = |place| step.arg(place).as_u64().map(|limit| limit as usize);
            transport.set_write_buffer_limits(limit(0), limit(1));
        }
        "can_write_eof" => return Outcome::Value(json!(transport.can_write_eof())),
        "is_closing" => return Outcome::Value(json!(transport.is_closing())),
        "is_reading" => return Outcome::Value(json!(transport.is_reading())),
        "limits" => return Outcome::Value(json!(transport.get_write_buffer_limits())),
        "buffer" => {
            let some = transport.get_write_buffer_size() > 0;
            return Outcome::Value(json!(if some { "some" } else { "empty" }));
        }
        name => panic!("there is no step {name}"),
    }
    Outcome::Nothing
}

fn peer(end: &Rc<End>, name: &str, step: &Step<'_>) -> Outcome {
    let peer = end.peer();
    match name {
        "send" => {
            let data = step.bytes(0);
            return operation(async move {
                let sent = peer.send(&data).await;
                sent.err().map(|error| io_error(&error)).into_iter().collect()
            });
        }
        "read" => {
            let n = step.number(0);
            return operation(async move { peer_read(peer.read(n).await) });
        }
        "read_to_end" => return operation(async move { peer_read(peer.read(usize::MAX).await) }),
        "shutdown" => peer.shutdown().expect("the peer is connected"),
        "reset" => peer.reset().expect("the peer is connected"),
        "close" => peer.close(),
        name => panic!("there is no step peer.{name}"),
    }
    Outcome::Nothing
}

fn peer_read((data, ended): (Vec<u8>, Option<Ended>)) -> Vec<Value> {
    let mut values = vec![shape(&data)];
    values.extend(ended.map(|ended| match ended {
        Ended::Eof => json!("eof"),
        Ended::Lost => json!("ConnectionLost"),
        Ended::Truncated => json!("truncated"),
    }));
    values
}

fn connect(world: &Rc<World>, end: &Rc<End>) -> Outcome {
    let address = world.address.get().expect("there is a server");
    if world.scenario.text("over", "tcp") == "memory" {
        return Outcome::Value(match world.memory.connect(address) {
            Ok(connected) => {
                end.peer.replace(Some(Peer::in_memory(connected)));
                json!("ok")
            }
            Err(error) => io_error(&error),
        });
    }
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    // The kernel completes the connection before the server accepts it.
    Outcome::Value(match socket.connect(&address.into()) {
        Ok(()) => {
            end.peer.replace(Some(Peer::new(socket)));
            json!("ok")
        }
        Err(error) => io_error(&error),
    })
}

fn server(world: &Rc<World>, name: &str) -> Outcome {
    let server = world.server();
    match name {
        "close" => server.close(),
        "close_clients" => server.close_clients(),
        "abort_clients" => server.abort_clients(),
        "is_serving" => return Outcome::Value(json!(server.is_serving())),
        "addresses" => return Outcome::Value(json!(server.local_addrs().len())),
        "start_serving" => return operation(async move { plain(server.start_serving().await) }),
        "serve_forever" => return operation(async move { plain(server.serve_forever().await) }),
        "wait_closed" => {
            return operation(async move {
                server.wait_closed().await;
                plain(Ok(()))
            });
        }
        name => panic!("there is no step server.{name}"),
    }
    Outcome::Nothing
}

fn operation(future: impl Future<Output = Vec<Value>> + 'static) -> Outcome {
    Outcome::Operation(Box::pin(future))
}

fn plain(result: io::Result<()>) -> Vec<Value> {
    vec![result.map_or_else(|error| io_error(&error), |()| json!("ok"))]
}

fn read(mut lent: Lent, step: &Step<'_>) -> Operation {
    let name = step.name.to_owned();
    let n = step.arg(0).as_u64().unwrap_or_default() as usize;
    let separators = Many(if name.starts_with("readuntil") { step.list(0) } else { Vec::new() });
    Box::pin(async move {
        let result = read_by(&mut lent, &name, n, separators).await;
        // The error for a line says that it was too long, but not by how much.
        let is_line = ["readline", "readline_into", "next_line"].contains(&name.as_str());
        vec![match result {
            Ok(None) => json!("end"),
            Ok(Some(data)) => {
                lent.remember(&data);
                shape(&data)
            }
            Err(ReadError::LimitOverrun { .. }) if is_line => json!({"error": "LimitOverrun"}),
            Err(error) => read_error(&error),
        }]
    })
}

async fn read_by(lent: &mut Lent, name: &str, n: usize, separators: Many) -> Result<Option<Vec<u8>>, ReadError> {
    let reader = lent.reader();
    // The methods that append must keep what the buffer has.
    let mut appended = b"before".to_vec();
    let data = match name {
        "read" => reader.read(n).await?,
        "read_to_end" => reader.read_to_end().await?,
        "read_into" => {
            let mut data = vec![0; n];
            let read = reader.read_into(&mut data).await?;
            data.truncate(read);
            data
        }
        "fill_consume" => {
            let data = reader.fill_buf().await?;
            let taken = data[..n.min(data.len())].to_vec();
            reader.consume(taken.len());
            taken
        }
        "readexactly" => reader.readexactly(n).await?,
        "readline" => reader.readline().await?,
        "next_line" => return reader.next_line().await,
        "readuntil" => reader.readuntil(separators).await?,
        "readline_into" | "readuntil_into" => {
            let count = match name {
                "readline_into" => reader.readline_into(&mut appended).await?,
                _ => reader.readuntil_into(separators, &mut appended).await?,
            };
            let data = appended.strip_prefix(b"before").expect("what was there is kept").to_vec();
            assert_eq!(data.len(), count);
            data
        }
        name => panic!("there is no read {name}"),
    };
    Ok(Some(data))
}

/// Separators, as many as the scenario lists.
struct Many(Vec<Vec<u8>>);

impl Separators for Many {
    fn visit<'a>(&'a self, show: &mut dyn FnMut(&'a [u8])) {
        self.0.iter().for_each(|one| show(one));
    }
}
