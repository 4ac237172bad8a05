//! What the example `metrics` reports about its loop to a monitoring system.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::common::processes::{PATIENCE, Process};
use crate::servers::example;

const QUESTION: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the example listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream
}

/// Requests the metrics as a monitoring system does. Checks the format, and returns the kind and the value of each.
fn scrape(address: &str) -> BTreeMap<String, (String, f64)> {
    let mut stream = connect(address);
    stream.write_all(QUESTION).expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the answer ends");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    assert!(body.ends_with('\n'), "the last line has an end, too");
    let lines: Vec<&str> = body.lines().collect();
    let metric = |lines: &[&str]| {
        let (name, value) = lines[2].split_once(' ').expect("a name and a value");
        let help = lines[0].strip_prefix(&format!("# HELP {name} ")).expect("its help comes first");
        assert!(help.ends_with('.'), "{help}");
        let kind = lines[1].strip_prefix(&format!("# TYPE {name} ")).expect("its kind comes next");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        (name.to_owned(), (kind.to_owned(), value.parse().expect("a value is a number")))
    };
    assert_eq!(lines.len() % 3, 0, "{body}");
    lines.chunks(3).map(metric).collect()
}

#[test]
fn a_second_server_tells_what_the_loop_has_counted() {
    let process = Process::start(Command::new(example("metrics")).args(["127.0.0.1:0", "127.0.0.1:0"]));
    let said = |beginning: &str| {
        let line = process.line().expect("the server says where");
        line.strip_prefix(beginning).unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    let metrics = said("Metrics at http://");
    let metrics = metrics.strip_suffix("/metrics").expect("the path stands at the end");
    let address = said("Serving on ");

    let before = scrape(metrics);
    let mut stream = connect(&address);
    for _ in 0..10 {
        stream.write_all(&[b'x'; 100]).expect("the server reads");
        stream.read_exact(&mut [0; 100]).expect("the server answers");
    }
    let after = scrape(metrics);

    let rose = |name: &str| after[&format!("waterwheel_{name}")].1 - before[&format!("waterwheel_{name}")].1;
    assert_eq!(rose("connections_accepted_total"), 2.0, "ours and the second of the monitoring system");
    assert_eq!(rose("connections_made_total"), 0.0);
    assert_eq!(rose("tasks_spawned_total"), 2.0);
    assert_eq!(rose("connections"), 1.0);
    // A thousand bytes of ours, and one request and one response of the monitoring system.
    assert_eq!(rose("received_bytes_total"), 1000.0 + QUESTION.len() as f64);
    assert!((1000.0 + 1000.0..1000.0 + 5000.0).contains(&rose("sent_bytes_total")), "{after:?}");
    for name in ["turns_total", "handles_total", "looks_total", "wakes_total", "steps_total"] {
        assert!(rose(name) >= 10.0, "{name}: {after:?}");
    }
    assert_eq!(after["waterwheel_timers"].1, 1.0, "the interval's");
    assert!(after["waterwheel_longest_step_seconds"].1 <= after["waterwheel_longest_wait_seconds"].1, "{after:?}");
}
