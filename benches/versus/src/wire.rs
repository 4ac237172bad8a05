//! The wire formats: the applications, and the bytes that both sides agree on.

use std::sync::LazyLock;

/// What a server does on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum App {
    /// Every byte is echoed.
    Echo,
    /// Every line is echoed as a line, so the server must find its end.
    Lines,
    /// A fixed answer to each request, on a connection that is kept alive.
    Http,
    /// Redis's protocol: `PONG` for each `PING`.
    Resp,
    /// One byte is the answer to each mebibyte.
    Discard,
    /// A mebibyte is the answer to each byte.
    Source,
}

impl App {
    pub(crate) const ALL: &[App] = &[App::Echo, App::Lines, App::Http, App::Resp, App::Discard, App::Source];

    pub(crate) fn name(self) -> &'static str {
        match self {
            App::Echo => "echo",
            App::Lines => "lines",
            App::Http => "http",
            App::Resp => "resp",
            App::Discard => "discard",
            App::Source => "source",
        }
    }

    pub(crate) fn parse(name: &str) -> App {
        let found = App::ALL.iter().find(|app| app.name() == name);
        *found.unwrap_or_else(|| panic!("no such application: {name}"))
    }

    /// The buffer size of a server that has its own buffer.
    pub(crate) fn buffer_size(self) -> usize {
        if self == App::Discard { 64 * 1024 } else { 16 * 1024 }
    }
}

pub(crate) const MEBIBYTE: usize = 1024 * 1024;

/// The bytes that the server of [`App::Source`] sends for each byte, and the client of [`App::Discard`] for each
/// answer.
pub(crate) static BULK: LazyLock<Vec<u8>> = LazyLock::new(|| text(MEBIBYTE, MEBIBYTE));

/// The answer of the server of [`App::Discard`].
pub(crate) const RECEIVED: u8 = b'.';

pub(crate) const HTTP_REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: versus\r\nAccept: text/plain\r\n\r\n";
pub(crate) const HTTP_ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";

pub(crate) const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
pub(crate) const PONG: &[u8] = b"+PONG\r\n";

/// `len` printable bytes that hardly repeat, in which every `size`-th byte is a newline. All programs generate the
/// same bytes.
pub(crate) fn text(len: usize, size: usize) -> Vec<u8> {
    let mut seed = 0x9e37_79b9_u32;
    (0..len)
        .map(|place| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if place % size == size - 1 { b'\n' } else { b'!' + (seed >> 24) as u8 % 90 }
        })
        .collect()
}
