//! RESP2, the protocol of Redis: the code that the example server and the example client share.

use std::io;

use waterwheel::{ReadError, StreamReader};

/// The most bytes that a message may take, at either end. Each of its values counts as at least [`LEAST`] bytes, so
/// many empty values take no more memory than this either.
pub(crate) const MOST: usize = 4 << 20;
const LEAST: usize = 32;

/// How deeply arrays may be nested. Values are encoded and dropped recursively, which takes stack space for each
/// level.
const DEEPEST: usize = 8;

/// A message, or a part of one.
pub(crate) enum Value {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Array(Vec<Value>),
    Null,
}

impl Value {
    /// Appends the value in wire format.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::Simple(text) => out.extend_from_slice(format!("+{text}\r\n").as_bytes()),
            Value::Error(text) => out.extend_from_slice(format!("-{text}\r\n").as_bytes()),
            Value::Integer(number) => out.extend_from_slice(format!(":{number}\r\n").as_bytes()),
            Value::Bulk(bytes) => {
                out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Value::Array(values) => {
                out.extend_from_slice(format!("*{}\r\n", values.len()).as_bytes());
                values.iter().for_each(|value| value.encode(out));
            }
            Value::Null => out.extend_from_slice(b"$-1\r\n"),
        }
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("Protocol error: {what}"))
}

/// Reads a line, without its end; `None` if the stream ends instead.
pub(crate) async fn read_line(reader: &mut StreamReader) -> io::Result<Option<String>> {
    let mut line = match reader.readline().await {
        Err(ReadError::LimitOverrun { .. }) => return Err(wrong("too big a line")),
        line => line?,
    };
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map(Some).map_err(|_| wrong("a line is not UTF-8"))
}

/// Reads the value that begins with this line. It takes no more than [`MOST`] bytes.
pub(crate) async fn read_value(reader: &mut StreamReader, mut line: String) -> io::Result<Value> {
    let mut room = MOST;
    // The incomplete arrays, from the outermost in, and how many values each still lacks.
    let mut open: Vec<(usize, Vec<Value>)> = Vec::new();
    loop {
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| wrong("a line without a type"))?;
        let mut take = |n: usize| -> io::Result<()> {
            room = room.checked_sub(n).ok_or_else(|| wrong("too big a message"))?;
            Ok(())
        };
        take(line.len().max(LEAST))?;
        let mut value = match kind {
            "+" => Value::Simple(rest.to_owned()),
            "-" => Value::Error(rest.to_owned()),
            ":" => Value::Integer(rest.parse().map_err(|_| wrong("invalid integer"))?),
            "$" | "*" if rest == "-1" => Value::Null,
            "$" => {
                let n = rest.parse().map_err(|_| wrong("invalid bulk length"))?;
                take(n)?;
                let mut bytes = reader.readexactly(n + 2).await?;
                if bytes.split_off(n) != b"\r\n" {
                    return Err(wrong("a bulk string is not as long as it says"));
                }
                Value::Bulk(bytes)
            }
            "*" => {
                // The peer only claims this length, so no memory is reserved for it.
                open.push((rest.parse().map_err(|_| wrong("invalid multibulk length"))?, Vec::new()));
                if open.len() > DEEPEST {
                    return Err(wrong("arrays too deep in each other"));
                }
                if open.last().is_some_and(|(lacks, _)| *lacks > 0) {
                    line = read_line(reader).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
                    continue;
                }
                open.pop();
                Value::Array(Vec::new())
            }
            _ => return Err(wrong("unknown type")),
        };
        // The value goes into the innermost array. If that completes the array, it becomes a value of the next one,
        // and so on outwards.
        loop {
            let Some((lacks, mut values)) = open.pop() else { return Ok(value) };
            values.push(value);
            if lacks > 1 {
                open.push((lacks - 1, values));
                break;
            }
            value = Value::Array(values);
        }
        line = read_line(reader).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
    }
}
