//! What goes over the wire: the applications, and the bytes that both sides agree on.

use std::sync::LazyLock;

/// What a server does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum App {
    /// Every byte comes back.
    Echo,
    /// Every line comes back, as a line: the server has to find its end.
    Lines,
    /// A fixed answer to each request, on a connection that is kept alive.
    Http,
    /// Redis's protocol: `PONG` for each `PING`.
    Resp,
    /// One byte comes back for each mebibyte.
    Discard,
    /// A mebibyte comes back for each byte.
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

    /// How much a server receives at once, where it has a buffer of its own.
    pub(crate) fn buffer_size(self) -> usize {
        if self == App::Discard { 64 * 1024 } else { 16 * 1024 }
    }
}

pub(crate) const MEBIBYTE: usize = 1024 * 1024;

/// What the server of [`App::Source`] sends for each byte, and the client of [`App::Discard`] for each answer.
pub(crate) static BULK: LazyLock<Vec<u8>> = LazyLock::new(|| text(MEBIBYTE, MEBIBYTE));

/// What the server of [`App::Discard`] answers.
pub(crate) const RECEIVED: u8 = b'.';

pub(crate) const HTTP_REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: versus\r\nAccept: text/plain\r\n\r\n";
pub(crate) const HTTP_ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!";

pub(crate) const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
pub(crate) const PONG: &[u8] = b"+PONG\r\n";

/// `len` printable bytes that hardly repeat, every `size`-th of them a newline. All programs make the same ones.
pub(crate) fn text(len: usize, size: usize) -> Vec<u8> {
    let mut seed = 0x9e37_79b9_u32;
    (0..len)
        .map(|place| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if place % size == size - 1 { b'\n' } else { b'!' + (seed >> 24) as u8 % 90 }
        })
        .collect()
}
