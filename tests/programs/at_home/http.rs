//! The load generators wrk and h2load against the HTTP server: many connections, many requests, and no failures.

use std::process::Command;

use crate::common::processes::{output_of, signal};
use crate::examples_over_tls::{Setting, server, setting};
use crate::http::ended;
use crate::servers::Server;

/// Makes h2load send requests, and checks that each is answered.
fn h2load(url: &str, options: &[&str]) {
    let mut command = Command::new("h2load");
    let said = output_of(command.args(["-n", "5000", "-c", "20"]).args(options).arg(url), None);
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    assert!(said.contains("status codes: 5000 2xx"), "{said}");
}

fn over_tls(topic: &str) -> (Setting, Server) {
    let setting = setting(topic);
    let server = server("http_server", &setting);
    (setting, server)
}

#[test]
#[ignore = "needs wrk, which .ci/run installs"]
fn fifty_connections_of_wrk_are_answered_without_an_error() {
    let server = Server::example("http_server");
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", "50", "--duration", "1s"]).arg(format!("http://{}/", server.address));
    let said = output_of(&mut wrk, None);
    let said = String::from_utf8_lossy(&said);
    // wrk prints a line about errors only if there were any.
    for complaint in ["Socket errors", "Non-2xx"] {
        assert!(!said.contains(complaint), "{said}");
    }
    let answered = said.lines().find_map(|line| line.trim().split_once(" requests in "));
    let answered: u64 = answered.expect("wrk says how many").0.parse().expect("it is a number");
    assert!(answered >= 50, "{said}");
    // When its time is over, wrk leaves in the middle of responses, and the server reports what it could not send.
    assert!(signal(server.pid(), "INT"), "the server runs");
    let (status, lines, errors) = server.process.finish();
    assert!(status.success(), "{lines:?} {errors}");
}

#[test]
#[ignore = "needs h2load of nghttp2-client, which .ci/run installs"]
fn a_hundred_streams_of_http2_on_each_connection_are_answered() {
    let server = Server::example("http_server");
    h2load(&format!("http://{}/", server.address), &["-m", "100"]);
    ended(server);
}

#[test]
#[ignore = "needs h2load of nghttp2-client, which .ci/run installs"]
fn a_hundred_streams_of_http2_over_tls_are_answered() {
    let (_setting, server) = over_tls("http-h2load-tls");
    h2load(&format!("https://{}/", server.address), &["-m", "100"]);
    ended(server);
}

#[test]
#[ignore = "needs h2load of nghttp2-client, which .ci/run installs"]
fn pipelined_requests_are_answered_with_and_without_tls() {
    let server = Server::example("http_server");
    h2load(&format!("http://{}/", server.address), &["--h1", "-m", "16"]);
    ended(server);
    let (_setting, server) = over_tls("http-h2load-pipelined");
    h2load(&format!("https://{}/", server.address), &["--h1", "-m", "16"]);
    ended(server);
}
