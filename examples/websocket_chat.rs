//! A chat over WebSockets with `async-tungstenite`, and a page for the browser, from the same server.
//!
//!     cargo run --features futures-io,signals --example websocket_chat [ADDR]
//!
//! Then open `http://127.0.0.1:8888/` in several windows. The first message of a client is its name, and each further
//! message is sent to all clients. A client that does not read for ten seconds, or has too many unread messages, is
//! cut off.

mod serving;

use std::cell::RefCell;
use std::env;
use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::handshake::machine::TryParse;
use async_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use async_tungstenite::tungstenite::http::{Response, StatusCode};
use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Error as WebSocketError, Message, Utf8Bytes};
use futures::StreamExt;
use waterwheel::{Connection, StreamReader, StreamWriter, race, start_server, timeout};

const PAGE: &str = include_str!("websocket_chat.html");

/// How long a client may take to send its request, or to take a message.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client with more unread messages than this is too far behind.
const MOST_UNREAD: usize = 100;

/// The longest message of a client, in bytes.
const LONGEST: usize = 4096;

/// The queues of all clients that have a name. A queue that is found full or closed is removed: its client is too far
/// behind, or gone.
#[derive(Default)]
struct Chat {
    queues: RefCell<Vec<Sender<Utf8Bytes>>>,
}

impl Chat {
    async fn serve_client(
        self: Rc<Self>,
        mut reader: StreamReader,
        writer: StreamWriter,
    ) -> Result<(), Box<dyn Error>> {
        let head = match timeout(PATIENCE, reader.readuntil(b"\r\n\r\n")).await {
            Ok(Ok(head)) => head,
            _ => return Ok(()), // browsers connect in advance, and may then send no request
        };
        let Some((_, request)) = Request::try_parse(&head)? else {
            return answer(&writer, StatusCode::BAD_REQUEST, "");
        };
        match request.uri().path() {
            "/" => answer(&writer, StatusCode::OK, PAGE),
            "/chat" => match create_response(&request) {
                Ok(response) => {
                    let mut head = Vec::new();
                    write_response(&mut head, &response)?;
                    writer.write(&head);
                    Ok(self.converse((reader, writer).into()).await?)
                }
                Err(_) => answer(&writer, StatusCode::BAD_REQUEST, "This is for WebSockets\n"),
            },
            _ => answer(&writer, StatusCode::NOT_FOUND, "There is nothing here\n"),
        }
    }

    /// Sends the client's messages to all clients, and all messages to the client, until either direction ends.
    async fn converse(&self, connection: Connection) -> Result<(), WebSocketError> {
        let config = WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
        let web_socket = WebSocketStream::from_raw_socket(connection, Role::Server, Some(config)).await;
        let (mut to_client, mut from_client) = web_socket.split();
        let (queue, unread): (_, Receiver<Utf8Bytes>) = async_channel::bounded(MOST_UNREAD);
        let mut name = None;
        let saying = async {
            // A client whose connection breaks has left, like one that says so.
            while let Some(Ok(message)) = from_client.next().await {
                let Message::Text(text) = message else { continue };
                match &name {
                    Some(name) => self.tell_all(format!("{name}: {text}")),
                    None => {
                        self.queues.borrow_mut().push(queue.clone());
                        self.tell_all(format!("* {text} enters"));
                        name = Some(text);
                    }
                }
            }
            Ok(())
        };
        let hearing = async {
            while let Ok(line) = unread.recv().await {
                timeout(PATIENCE, to_client.send(Message::Text(line))).await.map_err(io::Error::from)??;
            }
            Ok(())
        };
        let outcome = race((saying, hearing)).await;
        unread.close();
        if let Some(name) = name {
            self.tell_all(format!("* {name} leaves"));
        }
        outcome
    }

    /// Queues a message for all clients, without waiting for any of them.
    fn tell_all(&self, line: String) {
        let line = Utf8Bytes::from(line);
        self.queues.borrow_mut().retain(|queue| {
            let takes_it = queue.try_send(line.clone()).is_ok();
            if !takes_it {
                queue.close(); // the client still gets the queued messages, and is then cut off
            }
            takes_it
        });
    }
}

/// Answers a request that is not for a WebSocket. The connection ends after the answer.
fn answer(writer: &StreamWriter, status: StatusCode, body: &str) -> Result<(), Box<dyn Error>> {
    let kind = if status == StatusCode::OK { "text/html" } else { "text/plain" };
    let response = Response::builder().status(status).header("Content-Type", format!("{kind}; charset=utf-8"));
    let response = response.header("Content-Length", body.len()).header("Connection", "close");
    let mut whole = Vec::new();
    write_response(&mut whole, &response.body(())?)?;
    whole.extend_from_slice(body.as_bytes());
    writer.write(&whole);
    Ok(())
}

async fn serve(address: &str) -> io::Result<()> {
    let chat = Rc::new(Chat::default());
    let server = start_server(move |reader, writer| Rc::clone(&chat).serve_client(reader, writer), address).await?;
    serving::serve(&server).await
}

fn main() -> ExitCode {
    env_logger::init();
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match waterwheel::run(serve(&address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
