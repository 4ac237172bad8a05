//! The RESP examples with Redis's own programs.

use std::process::Command;

use crate::common::files::Files;
use crate::common::processes::{Process, output_of};
use crate::resp::client;
use crate::servers::Server;

fn to(program: &str, server: &Server) -> Command {
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &server.address.port().to_string()]);
    command
}

fn text_of(command: &mut Command) -> String {
    String::from_utf8(output_of(command, None)).expect("it says text")
}

#[test]
#[ignore = "needs redis-benchmark: .ci/run installs it"]
fn redis_benchmark_runs_on_the_server() {
    let server = Server::example("resp_server");
    for pipeline in ["1", "16"] {
        let mut command = to("redis-benchmark", &server);
        let said = text_of(command.args(["-t", "ping,set,get,incr", "-n", "20000", "-P", pipeline, "-e", "--csv"]));
        println!("{pipeline} at a time:\n{said}");
        for test in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR"] {
            assert!(said.lines().any(|line| line.starts_with(&format!("\"{test}\",\""))), "{test}: {said}");
        }
    }
    let counted = text_of(to("redis-cli", &server).args(["GET", "counter:__rand_int__"]));
    assert_eq!(counted.trim(), "40000", "each command was carried out once");
    assert_eq!(server.process.errors(), "");
}

#[test]
#[ignore = "needs redis-cli: .ci/run installs it"]
fn redis_cli_talks_to_the_server() {
    let server = Server::example("resp_server");
    for (command, expected) in [
        (&["SET", "k", "41"][..], "OK\n"),
        (&["INCR", "k"], "(integer) 42\n"),
        (&["GET", "k"], "\"42\"\n"),
        (&["DEL", "k", "x"], "(integer) 1\n"),
        (&["GET", "k"], "(nil)\n"),
        (&["FLUSH"], "(error) ERR unknown command \"FLUSH\"\n"),
    ] {
        let said = text_of(to("redis-cli", &server).arg("--no-raw").args(command));
        assert_eq!(said.trim_end(), expected.trim_end(), "{command:?}");
    }
    // Many commands at once, which is how data is loaded in bulk.
    let files = Files::new("at-home-redis-cli");
    let input = files.put("commands", &"*2\r\n$4\r\nINCR\r\n$4\r\nmass\r\n".repeat(10_000));
    let said = output_of(to("redis-cli", &server).arg("--pipe"), Some(input.as_ref()));
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("errors: 0, replies: 10000"), "{said}");
}

#[test]
#[ignore = "needs redis-server: .ci/run installs it"]
fn the_client_understands_redis_as_redis_cli_does() {
    let files = Files::new("at-home-redis");
    let socket = &files.path("redis");
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--unixsocket", socket]);
    command.args(["--dir", socket.strip_suffix("/redis").expect("the socket lies in the folder of this test")]);
    let redis = Process::start(&mut command);
    while !redis.line().expect("it says when it is ready").contains("ready to accept connections") {}

    for command in [
        &["SET", "wheels", "3"][..],
        &["INCR", "wheels"],
        &["GET", "wheels"],
        &["GET", "nothing"],
        &["SETRANGE", "large", "1000000", "end"],
        &["GET", "large"],
        &["RPUSH", "list", "a", "b \"c\"", "'\r\n\t\x07\x08\\", "ä", "5", "6", "7", "8", "9", "10", "11"],
        &["LRANGE", "list", "0", "-1"],
        &["LRANGE", "list", "5", "1"],
        &["LRANGE", "wheels", "0", "-1"],
        &["EVAL", "return {1, {2, {3, 'four'}, false}, {}, redis.status_reply('fine')}", "0"],
        &["EVAL", "return redis.error_reply('ERR no')", "0"],
        &["COMMAND"],
        &["NOTHING", "of", "this"],
    ] {
        // Commands that change something are sent only once, by our client.
        let asked = if ["INCR", "RPUSH"].contains(&command[0]) { &["EXISTS", "wheels"] } else { command };
        let (success, lines, errors) = client(socket, command);
        assert!(success && errors.is_empty(), "{command:?}: {errors}");
        let said = text_of(Command::new("redis-cli").args(["--no-raw", "-s", socket]).args(asked));
        if asked == command {
            // redis-cli prints an empty line after an error.
            assert_eq!(lines.join("\n").trim_end(), said.trim_end(), "{command:?}");
        } else {
            assert!(lines[0].starts_with("(integer) "), "{lines:?}");
        }
    }
    let (success, lines, _) = client(socket, &["MULTI", "--", "INCR", "wheels", "--", "DEL", "list", "--", "EXEC"]);
    assert_eq!(
        (success, lines),
        (true, ["OK", "QUEUED", "QUEUED", "1) (integer) 5", "2) (integer) 1"].map(str::to_owned).into())
    );
}
