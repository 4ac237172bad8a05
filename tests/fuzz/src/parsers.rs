//! Text from the user: certificates and keys in PEM, endpoints, and names of Unix sockets.
//!
//! No text may cause a panic. An endpoint means what a simple parser makes of it, and is looked up under no other
//! name. A PEM text means the same with byte order marks and with other line endings, and an error about a key does
//! not show the key.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use waterwheel::{Address, Endpoint, Protocol, TlsClient, TlsServer};

use crate::world::World;

/// A text, and what it is parsed as.
#[derive(Debug, Arbitrary)]
pub enum Input {
    EndpointText(String),
    Host(String, u16),
    UnixName(Vec<u8>),
    Pem(Vec<Part>),
    RawPem(Vec<u8>),
}

/// A part of a PEM text.
#[derive(Debug, Arbitrary)]
pub enum Part {
    Certificate,
    Key,
    Section { label: Label, body: Vec<u8>, is_cut: bool },
    Comment(String),
    Bytes(Vec<u8>),
    Mark,
}

/// The label of a PEM section.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Label {
    Certificate,
    Pkcs8,
    Pkcs1,
    Sec1,
    Encrypted,
    Request,
}

impl Label {
    fn text(self) -> &'static str {
        match self {
            Label::Certificate => "CERTIFICATE",
            Label::Pkcs8 => "PRIVATE KEY",
            Label::Pkcs1 => "RSA PRIVATE KEY",
            Label::Sec1 => "EC PRIVATE KEY",
            Label::Encrypted => "ENCRYPTED PRIVATE KEY",
            Label::Request => "CERTIFICATE REQUEST",
        }
    }
}

/// A certificate and its key, as PEM texts.
static IDENTITY: LazyLock<(String, String)> = LazyLock::new(|| {
    let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    (identity.cert.pem(), identity.signing_key.serialize_pem())
});

fn text_of(parts: &[Part]) -> Vec<u8> {
    let mut text = Vec::new();
    for part in parts {
        match part {
            Part::Certificate => text.extend_from_slice(IDENTITY.0.as_bytes()),
            Part::Key => text.extend_from_slice(IDENTITY.1.as_bytes()),
            Part::Section { label, body, is_cut } => {
                let label = label.text();
                text.extend_from_slice(format!("-----BEGIN {label}-----\n").as_bytes());
                text.extend_from_slice(body);
                if !is_cut {
                    text.extend_from_slice(format!("\n-----END {label}-----\n").as_bytes());
                }
            }
            Part::Comment(comment) => text.extend_from_slice(comment.as_bytes()),
            Part::Bytes(bytes) => text.extend_from_slice(bytes),
            Part::Mark => text.extend_from_slice("\u{feff}".as_bytes()),
        }
    }
    text
}

/// Whether the text was accepted. An error says what is wrong, and shows nothing of a key.
fn is_good<T>(read: io::Result<T>) -> bool {
    let Err(error) = read else { return true };
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let said = error.to_string();
    let secret = IDENTITY.1.lines().nth(1).expect("a key has lines");
    assert!(!said.contains(&secret[16..40]), "the key is in the error");
    assert!(!said.is_empty());
    false
}

fn check_pem(text: &[u8]) {
    let goods = |text: &[u8]| {
        [
            is_good(TlsClient::with_roots(text)),
            is_good(TlsServer::new(text, &IDENTITY.1)),
            is_good(TlsServer::new(&IDENTITY.0, text)),
        ]
    };
    let good = goods(text);
    let marked = ["\u{feff}".as_bytes(), text].concat();
    assert_eq!(goods(&marked), good, "a byte order mark makes a difference");
    if !text.contains(&b'\r') {
        let lines: Vec<_> = text.split(|&byte| byte == b'\n').collect();
        assert_eq!(goods(&lines.join(&b"\r\n"[..])), good, "the ends of lines make a difference");
    }
}

/// What an endpoint means to a simple parser.
#[derive(Debug)]
enum Meaning {
    Address(SocketAddr),
    Host(String, u16),
    Nothing,
}

fn read_endpoint(text: &str) -> Meaning {
    if let Ok(address) = text.parse() {
        return Meaning::Address(address);
    }
    let Some((host, port)) = text.rsplit_once(':') else { return Meaning::Nothing };
    let Some(port) = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten() else {
        return Meaning::Nothing;
    };
    let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(Some(inside)) if !inside.starts_with('[') => inside,
        Some(_) => return Meaning::Nothing,
        None if host.contains(':') => return Meaning::Nothing,
        None => host,
    };
    Meaning::Host(host.to_owned(), port)
}

fn read_host(host: &str, port: u16) -> Meaning {
    if host.starts_with('[') { Meaning::Nothing } else { Meaning::Host(host.to_owned(), port) }
}

struct Nobody;

impl Protocol for Nobody {}

/// Connects to the endpoint, on a network that knows no names and refuses no connection.
fn check_endpoint(endpoint: Endpoint, meaning: &Meaning) {
    let shown = format!("{endpoint:?}");
    match meaning {
        Meaning::Address(address) => assert_eq!(shown, format!("Endpoint({address})")),
        Meaning::Host(host, port) => assert_eq!(shown, format!("Endpoint({:?}, {port})", [host])),
        Meaning::Nothing => assert!(shown.starts_with("Endpoint(invalid: "), "{shown}"),
    }
    let mut world = World::new();
    let handle = world.event_loop.handle();
    let outcome = Rc::new(Cell::new(None));
    let answer = Rc::clone(&outcome);
    let task = handle.clone().create_task(async move {
        let connected = handle.create_connection(|| Rc::new(Nobody), endpoint).await;
        answer.set(Some(connected.map(drop).map_err(|error| error.kind())));
    });
    world.settle();
    drop(task);
    let outcome = outcome.take().expect("nothing has to be waited for");
    let names = world.wire.take_names();
    match meaning {
        Meaning::Nothing => assert_eq!((outcome, names.len()), (Err(ErrorKind::InvalidInput), 0)),
        Meaning::Host(host, _) if !host.is_empty() && host != "localhost" && host.parse::<IpAddr>().is_err() => {
            assert!(outcome.is_err());
            assert!(
                names.is_empty() && outcome == Err(ErrorKind::InvalidInput) || names == [host.as_str()],
                "{names:?}"
            );
            assert!(names.is_empty() || host.len() < 256 && !host.contains('\0'), "the system would cut it off");
        }
        Meaning::Host(..) | Meaning::Address(_) => assert_eq!((outcome, names.len()), (Ok(()), 0)),
    }
}

fn check_unix_name(name: &[u8]) {
    let path = Path::new(OsStr::from_bytes(name));
    match Address::unix(path) {
        Ok(address) if name[0] == 0 => {
            assert_eq!(address.as_path(), None);
            assert!(address.to_string().starts_with('@'));
        }
        Ok(address) => {
            assert_eq!(address.as_path(), Some(path));
            assert_eq!(address.to_string(), path.display().to_string());
            // The longest name that the system takes is one byte longer than the longest that std accepts.
            if let Ok(same) = std::os::unix::net::SocketAddr::from_pathname(path) {
                assert_eq!(Address::from(same), address);
            }
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let is_abstract = name.first() == Some(&0);
            assert!(name.is_empty() || name.len() >= 108 || !is_abstract && name.contains(&0), "it is a good name");
        }
    }
}

/// Parses the text of the input.
pub fn check(input: Input) {
    match input {
        Input::EndpointText(text) => check_endpoint(text.as_str().into(), &read_endpoint(&text)),
        Input::Host(host, port) => check_endpoint((host.as_str(), port).into(), &read_host(&host, port)),
        Input::UnixName(name) => check_unix_name(&name),
        Input::Pem(parts) => check_pem(&text_of(&parts)),
        Input::RawPem(text) => check_pem(&text),
    }
}
