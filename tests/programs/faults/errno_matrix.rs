//! Each system call that a loop makes fails with each error that it may have, at each of its first places: the program
//! continues with everything that is unaffected, reports a clear error, or gives up in order. It never hangs, panics,
//! or mistakes a part for the whole.

use std::collections::BTreeMap;
use std::fs;

use super::driven::{Ended, driver, scratch, two_at_a_time};
use crate::figures::figure;
use crate::strace::name_of;

/// A system call, the wire over which it is made, and the errors that it may have.
struct Row {
    call: &'static str,
    wire: &'static str,
    errors: [&'static str; 8],
}

const fn row(call: &'static str, wire: &'static str, errors: [&'static str; 8]) -> Row {
    Row { call, wire, errors }
}

/// Errors that may occur for any option or name of a socket.
const OPTIONS: [&str; 8] = ["ENOBUFS", "ENOMEM", "ENOPROTOOPT", "EINVAL", "ENOTSOCK", "EBADF", "EFAULT", "EOPNOTSUPP"];
const SENDS: [&str; 8] =
    ["EINTR", "EPIPE", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOBUFS", "ENOMEM"];

const MATRIX: [Row; 17] = [
    row("epoll_create1", "tcp", ["EMFILE", "ENFILE", "ENOMEM", "EINVAL", "ENOSYS", "EPERM", "EACCES", "EINTR"]),
    row("epoll_ctl", "tcp", ["ENOSPC", "ENOMEM", "EPERM", "EBADF", "EEXIST", "ELOOP", "EINVAL", "ENOENT"]),
    row("epoll_wait", "tcp", ["EINTR", "EBADF", "EFAULT", "EINVAL", "ENOMEM", "EIO", "ENOSYS", "EPERM"]),
    row(
        "socket",
        "tcp",
        ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "EACCES", "EAFNOSUPPORT", "EPROTONOSUPPORT", "EINVAL"],
    ),
    row("bind", "tcp", ["EADDRINUSE", "EADDRNOTAVAIL", "EACCES", "EINVAL", "EPERM", "ENOBUFS", "ENOMEM", "ENOTSOCK"]),
    row("listen", "tcp", ["EADDRINUSE", "EOPNOTSUPP", "EINVAL", "EACCES", "EPERM", "ENOBUFS", "ENOMEM", "ENOTSOCK"]),
    row("accept4", "tcp", ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED", "EPROTO", "EPERM", "EINTR"]),
    row(
        "connect",
        "tcp",
        ["ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL", "EACCES", "EAGAIN", "EPERM"],
    ),
    row("getsockopt", "tcp", OPTIONS),
    row("setsockopt", "tcp", OPTIONS),
    row("getsockname", "tcp", OPTIONS),
    // Without ENOTCONN: it promises another event, which does not come when strace injects the error.
    row("getpeername", "tcp", ["ENOSYS", "ENOBUFS", "ENOMEM", "EINVAL", "ENOTSOCK", "EBADF", "EFAULT", "EIO"]),
    row(
        "recvfrom",
        "tls",
        ["EINTR", "ECONNRESET", "ETIMEDOUT", "EHOSTUNREACH", "ENETDOWN", "ENOBUFS", "ENOMEM", "ECONNREFUSED"],
    ),
    row("sendto", "tcp", SENDS),
    row("shutdown", "tcp", ["ENOTCONN", "ENOBUFS", "ENOMEM", "EINVAL", "ENOTSOCK", "EBADF", "EIO", "EINTR"]),
    row("read", "pipes", ["EINTR", "EIO", "ENOMEM", "EINVAL", "EBADF", "EISDIR", "EFAULT", "ENOBUFS"]),
    row("write", "pipes", ["EINTR", "EPIPE", "EIO", "ENOSPC", "EDQUOT", "EFBIG", "EBADF", "ENOMEM"]),
];

/// For every error of `epoll_wait` except EINTR the loop cannot go on, and panics with this message, as documented.
const NO_SELECTOR: &str = "the event loop cannot go on, its selector failed";

/// Runs the driver under strace, and returns how it ended and the lines of the log.
fn trace(call: &str, wire: &str, inject: Option<&str>) -> (Ended, Vec<String>) {
    let log = scratch("strace");
    let log_name = log.to_str().expect("the path is plain");
    let traced = format!("trace=epoll_create1,{call}");
    let mut options = vec!["strace", "-f", "-q", "-o", log_name, "-e", &traced];
    if let Some(inject) = inject {
        options.extend(["-e", inject]);
    }
    let mut command = driver(&options, &["both", wire, "6", "30000", "5"]);
    command.env("FAULTS_TOLERANT", "1");
    let ended = Ended::run(&mut command);
    let text = fs::read_to_string(&log).expect("strace writes its log");
    fs::remove_file(&log).expect("it is there");
    let lines = text.lines().map(|line| line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').to_owned());
    (ended, lines.collect())
}

/// How often a call is made before there is a loop (by the loader and the language runtime), and after that.
fn calls(row: &Row) -> (usize, usize) {
    let (ended, lines) = trace(row.call, row.wire, None);
    assert!(ended.status.success() && ended.count("failed") == 0, "nothing is wrong yet: {ended:?}");
    let begin = lines.iter().position(|line| name_of(line) == "epoll_create1").expect("there is a loop");
    let made = |lines: &[String]| lines.iter().filter(|line| name_of(line) == row.call).count();
    (made(&lines[..begin]), made(&lines[begin..]))
}

/// The result of one injected failure.
struct Failure {
    injected: usize,
    /// What is wrong with the program's end, if anything.
    wrong: Option<String>,
}

/// Makes one call fail at one place.
fn fail(row: &Row, error: &str, place: usize) -> Failure {
    let inject = format!("inject={}:error={error}:when={place}", row.call);
    let (ended, lines) = trace(row.call, row.wire, Some(&inject));
    let gave_up = row.call == "epoll_wait" && error != "EINTR" && ended.errors.contains(NO_SELECTOR);
    let failed = ended.status.code() != Some(0) || ended.said.contains("failed: ");
    let is_told = ended.said.contains("error: ") || ended.said.contains("failed: ");
    let retries = error == "EINTR" && row.call != "epoll_create1";
    let is_right = gave_up || ended.in_order() && if failed { is_told && !retries } else { true };
    let wrong = (!is_right).then(|| format!("{inject}: {ended:?}"));
    Failure { injected: lines.iter().filter(|line| line.ends_with("(INJECTED)")).count(), wrong }
}

#[test]
#[ignore = "needs strace, and takes a while: see README.md"]
fn no_error_of_any_call_hangs_a_loop_or_passes_for_success() {
    let most = figure("WATERWHEEL_ERRNO_PLACES", 5) as usize;
    let mut work = Vec::new();
    for row in &MATRIX {
        let (before, made) = calls(row);
        assert!(made > 0, "{} is never made", row.call);
        let places = before + 1..=before + made.min(most);
        work.extend(places.flat_map(|place| row.errors.map(|error| (row, error, place))));
    }
    let runs = work.len();
    let failures = two_at_a_time(work, |(row, error, place)| ((row.call, error), fail(row, error, place)));
    let mut injected = BTreeMap::<(&str, &str), usize>::new();
    let mut wrong = Vec::new();
    for (pair, failure) in failures {
        *injected.entry(pair).or_default() += failure.injected;
        wrong.extend(failure.wrong);
    }
    let sum: usize = injected.values().sum();
    println!("{runs} runs, {sum} errors injected, {} pairs of a call and an error", injected.len());
    assert!(wrong.is_empty(), "{} of {runs}:\n{}", wrong.len(), wrong.join("\n"));
    let never: Vec<_> = injected.iter().filter(|(_, count)| **count == 0).collect();
    assert!(never.is_empty(), "these were never injected: {never:?}");
    // If the calls are made in a different order this time, a place may not be reached.
    assert!(sum * 10 >= runs * 9, "only {sum} of {runs}");
}
