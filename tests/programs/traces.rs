//! Programs that write a trace because of their environment, and what the example `waterwheel_trace` makes of it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::common::chrome_trace::{ChromeTrace, read};
use crate::common::files::Files;
use crate::common::processes::{MOMENT, PATIENCE, Process, output_of, until};
use crate::servers::{Server, example};

/// Makes an example write a trace, and returns its path.
pub(crate) fn trace_of_an_echo(files: &Files) -> String {
    let path = files.path("echo.json");
    output_of(Command::new(example("tcp_echo")).env("WATERWHEEL_TRACE", &path), None);
    path
}

#[test]
fn a_program_that_knows_nothing_of_it_writes_a_trace() {
    let files = Files::new("trace");
    let trace = read(Path::new(&trace_of_an_echo(&files)));
    assert!(trace.count("turn") >= 10, "{}", trace.count("turn"));
    assert!(trace.count("main") >= 3 && trace.count("buffer_updated") >= 3);
    assert_eq!(trace.counted("ready handles").len(), trace.count("turn"));
    let handler = trace.slices.iter().find(|slice| slice.name == "Task-2").expect("a handler ran");
    assert!(handler.args["spawned at"].is_string(), "{handler:?}");
}

#[test]
fn a_server_that_is_killed_leaves_the_trace_of_all_but_its_last_second() {
    let files = Files::new("killed-trace");
    let path = files.path("echo.json");
    let mut command = Command::new(example("echo_streams"));
    let mut server = Server::start(command.arg("127.0.0.1:0").env("WATERWHEEL_TRACE", &path));
    let mut stream = TcpStream::connect(server.address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let saved = || fs::read_to_string(&path).is_ok_and(|text| text.ends_with("]\n") && text.contains("buffer_updated"));
    until("the trace is saved", || {
        stream.write_all(b"x").expect("the server reads");
        stream.read_exact(&mut [0]).expect("the server answers");
        std::thread::sleep(MOMENT);
        saved()
    });
    server.process.kill();
    let trace: ChromeTrace = read(Path::new(&path));
    assert!(trace.count("buffer_updated") > 0);
    // The end of a save is in the trace only when the next save writes it.
    assert_eq!(trace.count("save"), 1, "it had not ended when it was written, so it ends with the trace");
}

#[test]
fn a_trace_becomes_a_page_that_needs_nothing_else_and_a_picture() {
    let files = Files::new("trace-page");
    let trace = trace_of_an_echo(&files);
    let (page, picture) = (files.path("echo.html"), files.path("echo.svg"));
    let show = || Command::new(example("waterwheel_trace"));
    let said = output_of(show().args([&trace, "--page", &page, "--picture", &picture, "--turns", "3"]), None);
    let turns = read(Path::new(&trace)).count("turn");
    assert!(String::from_utf8_lossy(&said).starts_with(&format!("{turns} turns, ")), "{said:?}");
    let page = fs::read_to_string(page).expect("it was written");
    for outside in ["http://", "https://", "src=", "href=", "@import", "fetch("] {
        assert!(!page.contains(outside), "the page needs something else: {outside}");
    }
    assert!(page.contains("buffer_updated"), "the trace is in the page");
    let picture = fs::read_to_string(picture).expect("it was written");
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    // A turn much shorter than another one has no room for a label.
    assert_eq!(picture.matches("<title>turn ").count(), 3, "a title for each turn: {picture}");
    assert_eq!(picture.matches("NaN").count(), 0);

    for (arguments, complaint) in [
        (vec!["/no/such/trace", "--page", "x"], "/no/such/trace: "),
        (vec![trace.as_str()], "waterwheel_trace TRACE"),
        (vec![env!("CARGO_MANIFEST_DIR"), "--page", "x"], env!("CARGO_MANIFEST_DIR")),
        (vec![trace.as_str(), "--picture", "x", "--first", "100000"], "there are "),
    ] {
        let (status, _, errors) = Process::start(show().args(&arguments)).finish();
        assert!(!status.success() && errors.starts_with(complaint), "{arguments:?}: {errors}");
    }
}
