//! The example `postgres`, against a PostgreSQL server that is started for it in a directory of its own.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use crate::common::files::Files;
use crate::common::processes::{Process, output_of, signal, until};
use crate::servers::example;

/// A server with a socket in its directory, and no TCP address. It ends when this is dropped.
struct Postgres {
    process: Process,
    files: Files,
}

impl Postgres {
    fn start() -> Postgres {
        let files = Files::new("postgres");
        let password = files.put("password", "secret\n");
        let (home, data) = (files.path("."), files.path("data"));
        let initdb = ["-D", &data, "-U", "wheel", "--auth=scram-sha-256", "--pwfile", &password, "--no-sync"];
        output_of(program("initdb", &home).args(["--locale=C", "--encoding=UTF8"]).args(initdb), None);
        // Without an address, no port can conflict. The data need not survive a crash of the machine.
        let settings = ["-c", "listen_addresses=", "-c", "fsync=off"];
        let process = Process::start(program("postgres", &home).args(["-D", &data, "-k", &home]).args(settings));
        until("PostgreSQL is ready", || process.errors().contains("ready to accept connections"));
        Postgres { process, files }
    }

    fn socket(&self) -> String {
        self.files.path(".s.PGSQL.5432")
    }

    /// Ends the server as its manual says, so that it removes its shared memory. Returns its complete log.
    fn end(mut self) -> String {
        assert!(signal(self.process.child.id(), "INT"), "it runs");
        assert!(self.process.ended().success(), "{}", self.process.errors());
        self.process.errors()
    }
}

impl Drop for Postgres {
    /// A failed test has not ended the server.
    fn drop(&mut self) {
        let child = &mut self.process.child;
        let is_running = matches!(child.try_wait(), Ok(None));
        if is_running && signal(child.id(), "INT") {
            let _ = child.wait();
        }
    }
}

/// A program of PostgreSQL. It refuses to run as root, so root runs it as the user that the Debian package creates,
/// and gives that user the directory.
fn program(name: &str, home: &str) -> Command {
    let mut command = Command::new(newest(Path::new("/usr/lib/postgresql")).join("bin").join(name));
    command.current_dir(home);
    if geteuid().is_root() {
        let users = fs::read_to_string("/etc/passwd").expect("there are users");
        let user = users.lines().find_map(|line| line.strip_prefix("postgres:")).expect("the package makes a user");
        let mut fields = user.split(':').skip(1).map(|field| field.parse::<u32>().expect("ids are numbers"));
        let (uid, gid) = (fields.next().expect("a user has an id"), fields.next().expect("a user is in a group"));
        chown(home, Some(uid), Some(gid)).expect("root can do that");
        command.uid(uid).gid(gid);
    }
    command
}

/// Debian has a directory for each version.
fn newest(versions: &Path) -> PathBuf {
    let versions = fs::read_dir(versions).expect("PostgreSQL is installed, as a package of Debian");
    let number = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    versions.flatten().map(|entry| entry.path()).max_by_key(number).expect("a version is installed")
}

fn talk_to(socket: &str, settings: &str) -> (bool, Vec<String>, String) {
    let mut command = Command::new(example("postgres"));
    let (status, lines, errors) = Process::start(command.args([socket, settings]).env_remove("RUST_LOG")).finish();
    (status.success(), lines, errors)
}

#[test]
#[ignore = "needs a server of PostgreSQL and all features: .ci/run has both"]
fn postgres_answers_is_prepared_notifies_and_cancels() {
    let server = Postgres::start();
    let (success, lines, errors) = talk_to(&server.socket(), "user=wheel password=secret dbname=postgres");
    let expected = [
        "cart has 12 spokes",
        "mill has 32 spokes",
        "heard on wheel: it turns",
        "heard on wheel: it stands still",
        "the long query was cancelled",
    ];
    assert_eq!(lines, expected, "{errors}\n{}", server.process.errors());
    assert_eq!((success, errors.as_str()), (true, ""));

    let (success, lines, errors) = talk_to(&server.socket(), "user=wheel password=wrong dbname=postgres");
    assert!(!success && lines.is_empty() && errors.contains("password authentication failed"), "{lines:?} {errors}");

    // The server's view: one query was cancelled, one password was refused, and each client said good-bye. The server
    // may log after the client has its answer, so the log is read after the server has ended.
    let log = server.end();
    let faults: Vec<&str> = log.lines().filter(|line| line.contains("ERROR:") || line.contains("FATAL:")).collect();
    let of_the_cancelled = faults.iter().filter(|line| line.contains("canceling statement due to user request"));
    let of_the_refused = faults.iter().filter(|line| line.contains("password authentication failed"));
    assert_eq!((of_the_cancelled.count(), of_the_refused.count(), faults.len()), (1, 1, 2), "{log}");
    assert!(!log.contains("unexpected EOF") && !log.contains("could not receive"), "{log}");
}
