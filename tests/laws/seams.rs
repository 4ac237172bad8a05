//! The seams of `src/`: only code behind them may use the operating system's sockets and its selector.

use crate::source_tree::{SourceFile, sources};

/// The crates that give access to the operating system.
const CRATES: [&str; 3] = ["socket2", "mio", "dns_lookup"];

/// Where they may be named, and why.
const BEHIND_THE_SEAMS: [(&str, &str); 4] = [
    ("net/system/", "the operating system's network"),
    ("reactor/mio_selector.rs", "the operating system's selector"),
    ("interface/address.rs", "an address may be made of one of socket2's, and be made one"),
    ("interface/extra_info.rs", "it lends the socket itself, for options that nobody here knows"),
];

fn is_behind_a_seam(file: &SourceFile) -> bool {
    BEHIND_THE_SEAMS.iter().any(|(prefix, _)| file.path.starts_with(prefix))
}

/// The places where a file names one of these crates.
fn named(file: &SourceFile) -> Vec<String> {
    CRATES.iter().flat_map(|name| file.places(name).into_iter().map(move |place| format!("{place}: {name}"))).collect()
}

#[test]
fn only_what_is_behind_the_seams_names_the_operating_systems_crates() {
    let wrong: Vec<String> = sources().iter().filter(|file| !is_behind_a_seam(file)).flat_map(named).collect();
    assert!(wrong.is_empty(), "{} found:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_place_behind_the_seams_is_still_needed() {
    for (prefix, reason) in BEHIND_THE_SEAMS {
        let needed = sources().iter().any(|file| file.path.starts_with(prefix) && !named(file).is_empty());
        assert!(needed, "nothing in {prefix} names one of {CRATES:?} ({reason})");
    }
}

#[test]
fn a_crate_of_the_operating_system_is_found_wherever_it_is_named() {
    for text in [
        "use socket2::Socket;",
        "use mio::{Events, Poll};",
        "fn f() -> mio::Token { todo!() }",
        "impl From<socket2::SockAddr> for Address {}",
        "let found = dns_lookup::getaddrinfo(None, None, None);",
        "pub use socket2;",
        "extern crate mio;",
    ] {
        assert_eq!(named(&SourceFile::new("net/server/listener.rs", text)).len(), 1, "{text}");
    }
    let good = "//! As socket2 does.\nuse crate::reactor::mio_selector::MioSelector; // not mio::Poll\nconst S: &str = \"mio\";";
    assert_eq!(named(&SourceFile::new("reactor/mod.rs", good)), Vec::<String>::new());
    assert!(is_behind_a_seam(&SourceFile::new("net/system/dial.rs", "")));
    assert!(!is_behind_a_seam(&SourceFile::new("net/systematic.rs", "")));
    assert!(!is_behind_a_seam(&SourceFile::new("reactor/mod.rs", "")));
}
