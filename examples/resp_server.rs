//! A small server for Redis clients: GET, SET, DEL, EXISTS, INCR, DECR, PING and ECHO, over one map in an `Rc`.
//! Commands that arrive together are answered together, with one system call.
//!
//!     cargo run --release --example resp_server [ADDR]
//!     redis-benchmark -p 8888 -t ping,set,get,incr -P 16

mod resp;
mod serving;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use resp::Value;
use waterwheel::{StreamReader, StreamWriter, start_server};

type Store = RefCell<HashMap<Vec<u8>, Vec<u8>>>;

/// Reads the words of the next command: an array of bulk strings or, for people at a terminal, a line of words.
async fn read_command(reader: &mut StreamReader) -> io::Result<Option<Vec<Vec<u8>>>> {
    let Some(line) = resp::read_line(reader).await? else { return Ok(None) };
    if !line.starts_with('*') {
        return Ok(Some(line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()));
    }
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "Protocol error: a command is an array of bulk strings");
    let Value::Array(values) = resp::read_value(reader, line).await? else { return Err(wrong()) };
    let word = |value| if let Value::Bulk(word) = value { Ok(word) } else { Err(wrong()) };
    values.into_iter().map(word).collect::<io::Result<_>>().map(Some)
}

/// Adds to a number. A missing key counts as 0.
fn add(store: &Store, key: &[u8], change: i64) -> Value {
    let mut store = store.borrow_mut();
    let number = match store.get(key) {
        None => Some(0),
        Some(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok()),
    };
    let Some(number) = number else {
        return Value::Error("ERR value is not an integer or out of range".to_owned());
    };
    let Some(sum) = number.checked_add(change) else {
        return Value::Error("ERR increment or decrement would overflow".to_owned());
    };
    store.insert(key.to_owned(), sum.to_string().into_bytes());
    Value::Integer(sum)
}

fn execute(store: &Store, name: &str, arguments: &[Vec<u8>]) -> Value {
    let count = |present: &dyn Fn(&Vec<u8>) -> bool| {
        Value::Integer(arguments.iter().filter(|key| present(key)).count().try_into().unwrap_or(i64::MAX))
    };
    match (name, arguments) {
        ("PING", []) => Value::Simple("PONG".to_owned()),
        ("PING" | "ECHO", [message]) => Value::Bulk(message.clone()),
        ("GET", [key]) => store.borrow().get(key).cloned().map_or(Value::Null, Value::Bulk),
        ("SET", [key, value]) => {
            store.borrow_mut().insert(key.clone(), value.clone());
            Value::Simple("OK".to_owned())
        }
        ("DEL", [_, ..]) => count(&|key| store.borrow_mut().remove(key).is_some()),
        ("EXISTS", [_, ..]) => count(&|key| store.borrow().contains_key(key)),
        ("INCR", [key]) => add(store, key, 1),
        ("DECR", [key]) => add(store, key, -1),
        ("PING" | "ECHO" | "GET" | "SET" | "DEL" | "EXISTS" | "INCR" | "DECR", _) => {
            Value::Error(format!("ERR wrong number of arguments for '{}' command", name.to_ascii_lowercase()))
        }
        // An error is one line, so the unknown name is escaped and cannot end that line.
        _ => Value::Error(format!("ERR unknown command {:?}", name.chars().take(128).collect::<String>())),
    }
}

async fn serve_client(mut reader: StreamReader, writer: StreamWriter, store: Rc<Store>) -> io::Result<()> {
    let mut answer = Vec::new();
    loop {
        answer.clear();
        match read_command(&mut reader).await {
            Ok(None) => return Ok(()),
            Ok(Some(words)) => {
                let Some((name, arguments)) = words.split_first() else { continue };
                let name = String::from_utf8_lossy(name).to_ascii_uppercase();
                execute(&store, &name, arguments).encode(&mut answer);
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                // After an error the start of the next command is unknown.
                Value::Error(format!("ERR {error}")).encode(&mut answer);
                return writer.write_all(&answer).await;
            }
            Err(error) => return Err(error),
        }
        // All bytes that are written before this task has to wait are sent together. `drain` waits only if a client
        // does not read its answers; meanwhile none of its further commands are read.
        writer.write(&answer);
        writer.drain().await?;
    }
}

async fn serve(address: &str) -> io::Result<()> {
    let store = Rc::new(Store::default());
    let server = start_server(move |reader, writer| serve_client(reader, writer, Rc::clone(&store)), address).await?;
    serving::serve(&server).await
}

fn main() -> ExitCode {
    env_logger::init();
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    match waterwheel::run(serve(&address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
