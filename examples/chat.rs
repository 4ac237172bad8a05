//! A chat server. The first line that a client sends is its name, and each further line is sent to all other clients
//! in its room. `/join ROOM` moves to another room, and `/quit` leaves.
//!
//!     cargo run --features signals --example chat [ADDR [CLIENTS [IDLE [PATIENCE]]]]
//!     nc 127.0.0.1 8888
//!
//! There are at most `CLIENTS` clients. A client that says nothing for `IDLE` milliseconds is disconnected. A client
//! that reads slowly delays no other: it is cut off when it has been behind for `PATIENCE` milliseconds, or when too
//! many bytes are unread. Ctrl-C shuts the chat down gracefully.

use std::cell::{OnceCell, RefCell};
use std::env;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use waterwheel::{StreamReader, StreamWriter, ctrl_c, race, sleep, start_server, timeout};

/// A client with more unread bytes than this is too far behind.
const MOST_UNREAD: usize = 1024 * 1024;

struct Chat {
    most_clients: usize,
    idle: Duration,
    patience: Duration,
    clients: RefCell<Vec<Rc<Client>>>,
}

struct Client {
    writer: StreamWriter,
    /// Set by the client's first line.
    name: OnceCell<String>,
    /// `None` until the client has a name.
    room: RefCell<Option<String>>,
}

impl Chat {
    async fn serve_client(self: Rc<Self>, mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
        if self.clients.borrow().len() >= self.most_clients {
            return writer.write_all(b"* The chat is full\n").await;
        }
        let client = Rc::new(Client { writer, name: OnceCell::new(), room: RefCell::default() });
        self.clients.borrow_mut().push(Rc::clone(&client));
        let outcome = race((self.converse(&mut reader, &client), self.falls_behind(&client))).await;
        self.go_to(&client, None);
        self.clients.borrow_mut().retain(|other| !Rc::ptr_eq(other, &client));
        outcome
    }

    /// Handles a client's lines until it leaves.
    async fn converse(&self, reader: &mut StreamReader, client: &Client) -> io::Result<()> {
        client.writer.write(b"* What is your name?\n");
        while let Some(line) = timeout(self.idle, reader.next_line()).await?? {
            let line = String::from_utf8_lossy(&line);
            let line = line.trim();
            match (client.name.get(), line.split_once(' ').unwrap_or((line, ""))) {
                (None, _) => {
                    let _ = client.name.set(line.to_owned()); // it had none
                    self.go_to(client, Some("lobby"));
                }
                (_, ("/quit", _)) => break,
                (_, ("/join", room)) => self.go_to(client, Some(room)),
                (Some(name), _) => self.tell_others(client, &format!("{name}: {line}\n")),
            }
        }
        Ok(())
    }

    /// Returns when a client has not caught up in time. Its unread bytes are given up.
    async fn falls_behind(&self, client: &Client) -> io::Result<()> {
        while timeout(self.patience, client.writer.drain()).await.is_ok() {
            sleep(self.patience).await;
        }
        client.writer.abort();
        Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads too slowly"))
    }

    fn go_to(&self, client: &Client, room: Option<&str>) {
        let Some(name) = client.name.get() else { return };
        self.tell_others(client, &format!("* {name} leaves\n"));
        client.room.replace(room.map(str::to_owned));
        if let Some(room) = room {
            client.writer.write(format!("* This is {room}\n").as_bytes());
            self.tell_others(client, &format!("* {name} enters\n"));
        }
    }

    /// Writes a line to the other clients in a client's room, without waiting for any of them.
    fn tell_others(&self, client: &Client, line: &str) {
        let room = client.room.borrow();
        let Some(room) = &*room else { return };
        for other in self.clients.borrow().iter() {
            let is_here = other.room.borrow().as_ref() == Some(room);
            if is_here && !std::ptr::eq(&**other, client) {
                other.writer.write(line.as_bytes());
                if other.writer.get_write_buffer_size() > MOST_UNREAD {
                    other.writer.abort();
                }
            }
        }
    }
}

async fn serve() -> io::Result<()> {
    let chat = Rc::new(Chat {
        most_clients: argument(2, "100")?,
        idle: Duration::from_millis(argument(3, "600000")?),
        patience: Duration::from_millis(argument(4, "5000")?),
        clients: RefCell::default(),
    });
    let host = Rc::clone(&chat);
    let client_connected = move |reader, writer| Rc::clone(&host).serve_client(reader, writer);
    let server = start_server(client_connected, argument::<String>(1, "127.0.0.1:8888")?).await?;
    for address in server.local_addrs() {
        println!("Serving on {address}");
    }
    let stop = async {
        let _ = ctrl_c().await; // fails without a free descriptor: then the chat ends at once
        for client in chat.clients.take() {
            client.writer.write(b"* The chat ends\n");
            client.writer.close();
        }
    };
    let report = server.serve_until(stop, Duration::from_secs(3)).await?;
    println!("{} finished, {} closed, {} aborted", report.finished, report.closed, report.aborted);
    Ok(())
}

/// A command-line argument.
fn argument<T: FromStr<Err: Display>>(place: usize, default: &str) -> io::Result<T> {
    let text = env::args().nth(place).unwrap_or_else(|| default.to_owned());
    text.parse().map_err(|error| io::Error::other(format!("{text:?}: {error}")))
}

fn main() -> ExitCode {
    env_logger::init();
    match waterwheel::run(serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
