//! The HTTP examples with hyper and axum, against curl, Python's server, and plain sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;

use crate::common::processes::{PATIENCE, Process, output_of, signal};
use crate::examples_over_tls::{run, server, setting};
use crate::servers::Server;

/// The output of curl: each body, followed by the HTTP version and the status.
fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    // Without this machine's own settings and proxies.
    command.args(["--disable", "--silent", "--show-error", "--noproxy", "*"]);
    command.args(["--write-out", "HTTP/%{http_version} %{http_code}, connections: %{num_connects}\n"]);
    String::from_utf8(output_of(command.args(arguments), None)).expect("it is text")
}

/// Ends a server that has no connections left, as Ctrl-C does.
pub(crate) fn ended(server: Server) {
    assert!(signal(server.pid(), "INT"), "the server runs");
    let (status, lines, errors) = server.process.finish();
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
    let last = lines.last().expect("it says how its clients ended");
    assert!(last.ends_with(" finished, 0 closed, 0 aborted"), "{last}");
}

#[test]
fn one_port_answers_http1_and_http2_of_curl() {
    let server = Server::example("http_server");
    let url = format!("http://{}/page", server.address);
    let answers = curl(&["--http1.1", &url, &url]);
    let expected = "/page is visited, the 1th of all\nHTTP/1.1 200, connections: 1\n\
                    /page is visited, the 2th of all\nHTTP/1.1 200, connections: 0\n";
    assert_eq!(answers, expected);
    // Only one request, since curl 7.88 ends such a connection with an error of its own if it reuses it.
    let answer = curl(&["--http2-prior-knowledge", &url]);
    assert_eq!(answer, "/page is visited, the 3th of all\nHTTP/2 200, connections: 1\n");
    ended(server);
}

#[test]
fn curl_and_the_server_agree_over_tls_on_a_version() {
    let setting = setting("http-curl");
    let server = server("http_server", &setting);
    let url = format!("https://localhost:{}/page", server.address.port());
    for (first, version, name) in [(1, "--http2", "2"), (3, "--http1.1", "1.1")] {
        let answers = curl(&[version, "--cacert", &setting.ca, &url, &url]);
        let expected = format!(
            "/page is visited, the {first}th of all\nHTTP/{name} 200, connections: 1\n\
             /page is visited, the {}th of all\nHTTP/{name} 200, connections: 0\n",
            first + 1
        );
        assert_eq!(answers, expected);
    }
    ended(server);
}

#[test]
fn ctrl_c_ends_idle_connections_of_http_at_once() {
    let server = Server::example("http_server");
    let mut asked = TcpStream::connect(server.address).expect("it listens");
    asked.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    asked.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").expect("it reads");
    let mut reader = BufReader::new(asked.try_clone().expect("a descriptor is left"));
    let mut line = String::new();
    while line != "/ is visited, the 1th of all\n" {
        line.clear();
        assert!(reader.read_line(&mut line).expect("it answers") > 0, "it keeps the connection");
    }
    assert!(signal(server.pid(), "INT"), "the server runs");
    assert_eq!(reader.read(&mut [0]).expect("the server ends the stream in an orderly way"), 0);
    drop((asked, reader));
    let (status, lines, errors) = server.process.finish();
    assert_eq!(lines, ["1 finished, 0 closed, 0 aborted"]);
    assert_eq!((status.code(), errors.as_str()), (Some(0), ""));
}

#[test]
fn axum_routes_the_requests_of_curl() {
    let server = Server::example("axum_router");
    let url = |path: &str| format!("http://{}{path}", server.address);
    assert_eq!(curl(&[&url("/hello/you")]), "Hello you, you are visitor 1\nHTTP/1.1 200, connections: 1\n");
    assert_eq!(curl(&[&url("/hello/me")]), "Hello me, you are visitor 2\nHTTP/1.1 200, connections: 1\n");
    let words = "word ".repeat(100_000);
    let file = format!("{}/waterwheel-shout-{}", std::env::temp_dir().display(), std::process::id());
    std::fs::write(&file, &words).expect("a temporary file can be written");
    let shouted = curl(&["--data-binary", &format!("@{file}"), &url("/shout")]);
    std::fs::remove_file(&file).expect("it is there");
    assert!(shouted == format!("{}HTTP/1.1 200, connections: 1\n", words.to_uppercase()));
    assert_eq!(curl(&[&url("/shout")]), "HTTP/1.1 405, connections: 1\n");
    assert_eq!(curl(&[&url("/nowhere")]), "HTTP/1.1 404, connections: 1\n");
    ended(server);
}

#[test]
fn the_client_prints_what_a_server_of_python_has() {
    const SERVER: &str = "\
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = f'{self.path} of {self.headers[\"host\"]}\\n'.encode() * 20000
        self.send_response(200 if self.path == '/page?a=b' else 404)
        self.send_header('transfer-encoding', 'chunked')
        self.end_headers()
        for piece in (body[:100000], body[100000:], b''):
            self.wfile.write(b'%x\\r\\n%b\\r\\n' % (len(piece), piece))
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page)
print('Serving on 127.0.0.1:%d' % server.server_port, flush=True)
server.serve_forever()
";
    let server = Server::start(Command::new("python3").args(["-B", "-c", SERVER]));
    for (path, status) in [("/page?a=b", "200 OK"), ("", "404 Not Found")] {
        let (success, lines, errors) = run("http_client", &[&format!("http://{}{path}", server.address)]);
        assert_eq!((success, errors.as_str()), (true, ""));
        let (first, rest) = lines.split_first().expect("it prints the status");
        assert_eq!(first, &format!("HTTP/1.1 {status}"));
        assert_eq!(rest.len(), 20_000);
        let target = if path.is_empty() { "/" } else { path };
        let expected = format!("{target} of {}", server.address);
        assert!(rest.iter().all(|line| *line == expected), "{:?}", &rest[..1]);
    }
}

#[test]
fn the_client_speaks_http2_over_tls_with_a_server_that_does() {
    let setting = setting("http-client");
    let server = server("http_server", &setting);
    let url = format!("https://localhost:{}/page", server.address.port());
    let (success, lines, errors) = run("http_client", &[&url, "--ca", &setting.ca]);
    assert_eq!(lines, ["HTTP/2.0 200 OK", "/page is visited, the 1th of all"]);
    assert_eq!((success, errors.as_str()), (true, ""));
    ended(server);
}

#[test]
fn the_client_says_in_one_line_what_it_cannot_do() {
    for (url, words) in
        [("ftp://127.0.0.1/", "http:// or https://"), ("http://[::1", "not a URL"), ("/page", "http:// or https://")]
    {
        let mut command = Command::new(crate::servers::example("http_client"));
        let (status, lines, errors) = Process::start(command.arg(url)).finish();
        assert!(!status.success() && lines.is_empty(), "{url}: {lines:?}");
        assert!(errors.contains(words) && errors.lines().count() == 1, "{url}: {errors}");
    }
}
