//! The examples, built as a user builds them; servers that run as programs of their own, and what the kernel reports
//! about them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::common::processes::{Process, serving, signal};

/// The path of an example, built with the profile and the target directory of the running test.
///
/// Cargo builds the examples for a plain `cargo test` but not for `cargo test --test NAME`, where they would be
/// missing or, worse, out of date. So cargo is always run, once per process; usually it has nothing to do.
pub(crate) fn example(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(build_examples).join(name)
}

fn build_examples() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // TARGET/PROFILE/deps/TEST-HASH
    let profile = test.ancestors().nth(2).expect("a test lies in the deps directory of its profile");
    let target = profile.parent().expect("a profile's directory lies in the target directory");
    let name = match profile.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--examples", "--profile", name, "--target-dir"]).arg(target);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    // ring's build script runs again if one of these changes, and then everything that uses TLS is rebuilt: here that
    // would happen after each plain `cargo build`, which sets none of them.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            build.env_remove(name);
        }
    }
    // With the same features as this test. Otherwise the crate would be rebuilt alternately, for the examples and for
    // the tests.
    let features = [
        ("futures-core", cfg!(feature = "futures-core")),
        ("futures-io", cfg!(feature = "futures-io")),
        ("hyper", cfg!(feature = "hyper")),
        ("process", cfg!(feature = "process")),
        ("signals", cfg!(feature = "signals")),
        ("sim", cfg!(feature = "sim")),
        ("tls", cfg!(feature = "tls")),
        ("tokio-io", cfg!(feature = "tokio-io")),
    ];
    for (feature, is_on) in features {
        if is_on {
            build.args(["--features", feature]);
        }
    }
    let built = build.output().expect("cargo can be run");
    assert!(built.status.success(), "the examples were not built:\n{}", String::from_utf8_lossy(&built.stderr));
    profile.join("examples")
}

/// A server that is ready, and its address.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts an example that prints `Serving on ADDR`.
    #[track_caller]
    pub(crate) fn example(name: &str) -> Server {
        Server::start(Command::new(example(name)).arg("127.0.0.1:0"))
    }

    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Server {
        let (process, address) = serving(command);
        Server { process, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.inner.unwrap_or_else(|| self.process.child.id())
    }

    /// Runs `act` while the server's process is stopped, so that the server notices none of it before the end.
    #[track_caller]
    pub(crate) fn while_stopped(&self, act: impl FnOnce()) {
        assert!(signal(self.pid(), "STOP"), "the server runs");
        act();
        assert!(signal(self.pid(), "CONT"), "the server is there");
    }

    /// The peak memory of the server, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says VmHWM");
        line.trim().trim_end_matches(" kB").parse().expect("VmHWM is a number of kB")
    }

    /// The open descriptors of the server. Inherited ones are included, and their numbers may be above its limit.
    pub(crate) fn descriptors(&self) -> BTreeSet<usize> {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("the server runs");
        let number = |name: std::ffi::OsString| name.to_str().and_then(|name| name.parse().ok());
        entries.flatten().map(|entry| number(entry.file_name()).expect("each has a number for a name")).collect()
    }

    /// How many threads the server has.
    pub(crate) fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("the server runs").count()
    }

    /// The processor time that the server has used so far, in kernel ticks of 10 ms.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        // The name in parentheses may contain spaces; utime and stime are the 12th and 13th fields after it.
        let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
        let fields: Vec<&str> = fields.split_whitespace().collect();
        [11, 12].iter().map(|&at| fields[at].parse::<u64>().expect("times are numbers")).sum()
    }

    fn proc(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.pid());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}
