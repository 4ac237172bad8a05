//! Where incidents are reported: to the exception handler, else to the logger, else to standard error; never to two of
//! them.
//!
//! A logger and standard error belong to the whole process. So each case is a child process: this program again, told
//! to run one of the ignored tests below.

use std::cell::RefCell;
use std::env;
use std::future::Future;
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::common::processes::Process;
use log::{LevelFilter, Log, Metadata, Record};
use waterwheel::{Incident, Promise, get_running_loop, start_server, yield_now};

/// The prefix of the lines on standard output in which a child says what it expects.
const EXPECTED: &str = "expected: ";
const LOGGED: &str = "logged: ";

/// The environment variable that says which logger a child installs.
const LOGGER: &str = "WATERWHEEL_LOGGER";

fn command(test: &str, logger: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test knows its own path"));
    let test = format!("incidents::{test}");
    command.args(["--exact", &test, "--ignored", "--nocapture", "--test-threads=1"]).env(LOGGER, logger);
    command
}

/// The output of a child.
struct Said {
    /// What should be reported somewhere.
    expected: Vec<String>,
    logged: Vec<String>,
    errors: String,
}

/// Runs one of the ignored tests in a process of its own, and checks that it passes.
#[track_caller]
fn child(test: &str, logger: &str) -> Said {
    let (status, lines, errors) = Process::start(&mut command(test, logger)).finish();
    assert!(status.success(), "{test} with logger {logger:?}: {status}\n{lines:#?}\n{errors}");
    assert!(lines.iter().any(|line| line.starts_with("test result: ok. 1 passed")), "{lines:#?}");
    let said_with = |prefix| -> Vec<String> {
        let said = lines.iter().filter_map(|line| line.strip_prefix(prefix));
        said.map(|text| text.replace("\\n", "\n")).collect()
    };
    Said { expected: said_with(EXPECTED), logged: said_with(LOGGED), errors }
}

fn say(prefix: &str, text: &str) {
    // On a new line: the harness has already begun one with the name of the test.
    println!("\n{prefix}{}", text.replace('\n', "\\n"));
}

/// Installs the logger that the parent asks for.
fn install_logger() {
    /// Logs to standard output.
    struct ToOutput {
        _state: u8,
    }
    static TO_OUTPUT: ToOutput = ToOutput { _state: 1 };
    struct Stateless;
    fn log(record: &Record<'_>) {
        assert_eq!((record.level(), record.target()), (log::Level::Error, "waterwheel"));
        say(LOGGED, &record.args().to_string());
    }
    impl Log for ToOutput {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &Record<'_>) {
            log(record);
        }
        fn flush(&self) {}
    }
    impl Log for Stateless {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn log(&self, record: &Record<'_>) {
            log(record);
        }
        fn flush(&self) {}
    }
    let (logger, level): (&dyn Log, _) = match &*env::var(LOGGER).expect("the parent says which") {
        "" => return,
        "loud" => (&TO_OUTPUT, LevelFilter::Info),
        "silenced" => (&TO_OUTPUT, LevelFilter::Off),
        "stateless" => (&Stateless, LevelFilter::Error),
        "env_logger" => return env_logger::init(),
        other => panic!("no logger is called {other}"),
    };
    log::set_logger(logger).expect("it is the first");
    log::set_max_level(level);
}

/// Silences panics, so that only incidents are written to standard error.
fn silence_panics() {
    std::panic::set_hook(Box::new(|_| ()));
}

/// Causes one incident with several lines of text, the same every time.
async fn cause_incident() {
    get_running_loop().call_soon(|| panic!("a panic\nof two lines"));
    yield_now().await;
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn incident() {
    install_logger();
    silence_panics();
    waterwheel::run(async {
        // First with an exception handler, to learn the text.
        let told: Rc<RefCell<Vec<String>>> = Rc::default();
        let tell = Rc::clone(&told);
        get_running_loop().set_debug(false); // The speed of the machine does not matter here.
        get_running_loop()
            .set_exception_handler(move |incident: &Incident| tell.borrow_mut().push(incident.to_string()));
        cause_incident().await;
        let told = told.take();
        assert_eq!(told.len(), 1);
        say(EXPECTED, &told[0]);
        get_running_loop().reset_exception_handler();
        cause_incident().await;
    });
}

#[test]
fn without_a_logger_an_incident_is_printed_once_on_standard_error_in_the_same_words() {
    let said = child("incident", "");
    let [expected] = &said.expected[..] else { panic!("{:?}", said.expected) };
    assert!(expected.lines().count() >= 4 && expected.contains("scheduled at: "), "{expected:?}");
    assert_eq!(said.errors, format!("{expected}\n"));
}

#[test]
fn a_logger_is_told_of_an_incident_and_standard_error_is_not() {
    for logger in ["loud", "stateless"] {
        let said = child("incident", logger);
        assert_eq!(said.logged, said.expected, "{logger}");
        assert_eq!((said.expected.len(), &*said.errors), (1, ""), "{logger}");
    }
}

#[test]
fn a_logger_that_was_told_to_be_silent_is_obeyed() {
    let said = child("incident", "silenced");
    assert_eq!((said.expected.len(), said.logged.len(), &*said.errors), (1, 0, ""));
    // The same with a widely used logger, which prints to standard error itself.
    for (filter, printed) in [("off", 0), ("error", 1)] {
        let mut command = command("incident", "env_logger");
        let (status, _, errors) = Process::start(command.env("RUST_LOG", filter)).finish();
        assert!(status.success(), "{errors}");
        assert_eq!(errors.matches("A callback panicked").count(), printed, "{filter}: {errors}");
    }
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn failing_handler() {
    waterwheel::run(async {
        let handler = async |_reader, _writer| Err::<(), _>(io::Error::other("no such order"));
        let server = start_server(handler, "127.0.0.1:0").await.expect("there are ports");
        let address = server.local_addrs()[0];
        let client = TcpStream::connect(address).expect("the server listens");
        let peer = client.local_addr().expect("it is connected");
        say(EXPECTED, &format!("The handler of a connection failed\nerror: no such order\npeer: {peer}"));
        client.set_nonblocking(true).expect("it is a socket");
        get_running_loop().readable(&client).await.expect("a socket can be watched");
    });
}

#[test]
fn a_handler_that_fails_is_seen_without_a_logger() {
    let said = child("failing_handler", "");
    assert_eq!(said.errors, format!("{}\n", said.expected[0]));
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn failing_exception_handler() {
    silence_panics();
    waterwheel::run(async {
        get_running_loop().set_exception_handler(|_| panic!("no time"));
        cause_incident().await;
    });
}

#[test]
fn an_exception_handler_that_panics_is_seen_without_a_logger_together_with_the_incident() {
    let errors = child("failing_exception_handler", "").errors;
    let mut lines = errors.lines();
    assert_eq!(lines.next(), Some("The exception handler panicked: no time"));
    assert_eq!(lines.next(), Some("while it was told: A callback panicked"));
    assert_eq!(lines.next(), Some("panic: a panic"));
}

#[test]
#[ignore = "run by other tests, in a process of its own"]
fn failing_waker() {
    struct Panicking;
    impl Wake for Panicking {
        fn wake(self: Arc<Self>) {
            panic!("out of order");
        }
    }
    install_logger();
    silence_panics();
    waterwheel::run(async {
        let promise = Promise::new();
        let waits = promise.clone();
        let mut wait = pin!(waits.wait());
        let waker = Waker::from(Arc::new(Panicking));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        promise.set(()).expect("it is set once");
    });
}

#[test]
fn what_is_no_incident_goes_the_same_way() {
    let said = child("failing_waker", "");
    assert_eq!((&*said.errors, said.logged.len()), ("A waker panicked: out of order\n", 0));
    let said = child("failing_waker", "loud");
    assert_eq!((&*said.errors, &said.logged[..]), ("", &["A waker panicked: out of order".to_owned()][..]));
}

#[test]
fn a_program_whose_standard_error_nobody_reads_goes_on() {
    let mut command = command("incident", "");
    let (errors, nobody_reads) = UnixStream::pair().expect("there are descriptors");
    drop(errors);
    command.stdout(Stdio::piped()).stderr(OwnedFd::from(nobody_reads));
    let output = command.output().expect("this program can be run again");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{}\n{text}", output.status);
}
