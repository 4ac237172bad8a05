//! A Redis client: sends all commands at once, and prints the answers as redis-cli does.
//!
//!     cargo run --example resp_client ADDR COMMAND [ARGUMENT]... [-- COMMAND [ARGUMENT]...]...
//!     cargo run --example resp_client 127.0.0.1:6379 SET wheels 3 -- INCR wheels -- GET wheels
//!
//! An address that contains a slash is the path of a Unix socket.

mod resp;

use std::io;
use std::process::ExitCode;

use resp::Value;
use waterwheel::{open_connection, open_unix_connection};

/// Formats bytes as redis-cli does, which differs a little from Rust's escapes.
fn quoted(bytes: &[u8]) -> String {
    let shown = |byte: &u8| match byte {
        b'\'' => "'".to_owned(),
        0x07 => "\\a".to_owned(),
        0x08 => "\\b".to_owned(),
        byte => byte.escape_ascii().to_string(),
    };
    format!("\"{}\"", bytes.iter().map(shown).collect::<String>())
}

fn print(value: &Value, indent: &str) {
    match value {
        Value::Simple(text) => println!("{text}"),
        Value::Error(text) => println!("(error) {text}"),
        Value::Integer(number) => println!("(integer) {number}"),
        Value::Bulk(bytes) => println!("{}", quoted(bytes)),
        Value::Null => println!("(nil)"),
        Value::Array(values) if values.is_empty() => println!("(empty array)"),
        Value::Array(values) => {
            let width = values.len().to_string().len();
            for (place, value) in (1..).zip(values) {
                // The first element is on the same line as the number of the array itself within its parent.
                print!("{}{place:>width$}) ", if place == 1 { "" } else { indent });
                print(value, &format!("{indent}{:1$}", "", width + 2));
            }
        }
    }
}

async fn converse(address: &str, commands: &[Value]) -> io::Result<()> {
    let connecting = if address.contains('/') { open_unix_connection(address) } else { open_connection(address) };
    let (mut reader, writer) = connecting.await?;
    let mut request = Vec::new();
    commands.iter().for_each(|command| command.encode(&mut request));
    writer.write(&request);
    for _ in commands {
        let gone =
            || io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection without an answer");
        let line = resp::read_line(&mut reader).await?.ok_or_else(gone)?;
        print(&resp::read_value(&mut reader, line).await?, "");
    }
    writer.close();
    writer.wait_closed().await
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let commands = arguments.get(1..).unwrap_or_default().split(|argument| argument == "--");
    let bulk = |argument: &String| Value::Bulk(argument.as_bytes().to_vec());
    let commands: Vec<Vec<Value>> = commands.map(|words| words.iter().map(bulk).collect()).collect();
    let [address, ..] = &arguments[..] else { return usage() };
    if commands.iter().any(Vec::is_empty) {
        return usage();
    }
    let commands: Vec<Value> = commands.into_iter().map(Value::Array).collect();
    match waterwheel::run(converse(address, &commands)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: resp_client ADDR COMMAND [ARGUMENT]... [-- COMMAND [ARGUMENT]...]...");
    ExitCode::FAILURE
}
