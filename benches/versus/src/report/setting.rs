//! The machine and the versions with which the figures were taken.

use std::fs::read_to_string;
use std::process::Command;
use std::thread::available_parallelism;

use crate::subject::python_version;

pub(super) struct Setting {
    pub(super) date: String,
    pub(super) machine: String,
    pub(super) versions: Vec<(String, String)>,
}

/// The crates whose versions the report names.
const CRATES: &[&str] =
    &["waterwheel", "tokio", "mio", "rustix", "smol", "async-io", "async-executor", "monoio", "compio", "glommio"];

impl Setting {
    pub(super) fn read() -> Setting {
        let rustc = first_line("rustc", &["--version"]);
        let mut versions = vec![("rustc".to_owned(), rustc.trim_start_matches("rustc ").to_owned())];
        versions.extend(CRATES.iter().filter_map(|name| Some(((*name).to_owned(), locked_version(name)?))));
        versions.push(("Python".to_owned(), python_version("asyncio").unwrap_or_else(|why| why)));
        versions.push(("uvloop".to_owned(), python_version("uvloop").unwrap_or_else(|why| why)));
        Setting { date: first_line("date", &["-u", "+%Y-%m-%d %H:%M UTC"]), machine: machine(), versions }
    }
}

fn machine() -> String {
    let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": an unknown CPU");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = available_parallelism().map_or(1, usize::from);
    let control = read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").unwrap_or_default();
    format!("{model}, {cores} cores, {}, TCP sends by {}", first_line("uname", &["-sr"]), control.trim())
}

/// The newest version of a crate in this package's lock file.
fn locked_version(name: &str) -> Option<String> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let lock = include_str!("../../Cargo.lock");
    let (_, after) = lock.rsplit_once(&entry)?;
    Some(after[..after.find('"')?].to_owned())
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert!(locked_version("tokio").is_some_and(|version| version.starts_with("1.")));
        assert_eq!(locked_version("no-such-crate"), None);
    }
}
