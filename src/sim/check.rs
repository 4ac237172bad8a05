//! Running a test with many seeds, and reporting how to reproduce a failure.

use std::collections::BTreeSet;
use std::env;
use std::fmt::{Display, Write};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::decisions::Happened;
use super::run::Sim;
use super::shrink::smallest;
use super::silence::Silence;
use crate::errors::panic_text;

/// How many times a failing test is run again to find the faults that it needs.
const TRIES: usize = 300;

/// The most faults that a report lists one by one.
const LISTED: usize = 40;

/// Runs a test in a [`Sim`] for each seed, and panics at the first seed that fails. The panic has the error, the
/// faults that the failure needs, and a command that runs it again.
///
/// The test fails if it returns an error or panics. To find the faults that the failure needs, the test is run again
/// with fewer faults, up to 300 times. Panics of this thread are not printed in these runs.
///
/// Environment variables change what is run: `WATERWHEEL_SEED=7` runs only that seed, `WATERWHEEL_FAULTS=12,40`
/// allows only these faults, and `WATERWHEEL_SEEDS=1000000` sets the number of seeds, from the start of the range.
/// `WATERWHEEL_SEEDS=1000000..2000000` sets the range, so that several processes can share the work.
/// With `WATERWHEEL_TRACE=trace.json`, each host also writes a [trace](crate::Builder::trace) of its loop.
///
/// # Panics
///
/// Panics if a seed fails, or if one of these variables cannot be read as a number, a range or a list of numbers.
///
/// # Examples
///
/// ```
/// use waterwheel::sim::{Faults, check};
///
/// check(0..20, |sim| {
///     sim.set_faults(Faults::benign());
///     sim.host("server", || async {
///         let greet = async |_, writer: waterwheel::StreamWriter| writer.write(b"hello\n");
///         waterwheel::start_server(greet, "0.0.0.0:7").await?.serve_forever().await
///     });
///     sim.client("client", async {
///         waterwheel::sleep(std::time::Duration::from_secs(1)).await;
///         let (mut reader, _writer) = waterwheel::open_connection(("server", 7)).await?;
///         assert_eq!(reader.readline().await?, b"hello\n");
///         std::io::Result::Ok(())
///     });
///     sim.run()
/// });
/// ```
#[track_caller]
pub fn check<E: Display>(seeds: Range<u64>, test: impl Fn(&mut Sim) -> Result<(), E>) {
    let seeds = match variable("WATERWHEEL_SEED", number) {
        Some(seed) => seed..seed.saturating_add(1),
        None => variable("WATERWHEEL_SEEDS", |text| range(text, seeds.start)).unwrap_or(seeds),
    };
    let only = variable("WATERWHEEL_FAULTS", numbers);
    for seed in seeds {
        if let Err(failed) = Run::of(&test, seed, only.as_ref()) {
            panic!("{}", report(&test, seed, failed));
        }
    }
}

/// The value of an environment variable, if that is set.
fn variable<T>(name: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let text = env::var_os(name)?;
    match text.to_str().and_then(read) {
        None => panic!("{name} should be a number, or a range or list of numbers: {text:?}"),
        value => value,
    }
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// A range, or a number of seeds from `start` on.
fn range(text: &str, start: u64) -> Option<Range<u64>> {
    match text.split_once("..") {
        Some((first, end)) => Some(number(first)?..number(end)?),
        None => Some(start..start.checked_add(number(text)?)?),
    }
}

/// The numbers of a list, which may be empty.
fn numbers(text: &str) -> Option<BTreeSet<u64>> {
    text.split(',').filter(|part| !part.trim().is_empty()).map(number).collect()
}

/// A run that has failed.
struct Run {
    error: String,
    script: Vec<(Happened, String)>,
}

impl Run {
    fn of<E: Display>(
        test: &impl Fn(&mut Sim) -> Result<(), E>,
        seed: u64,
        only: Option<&BTreeSet<u64>>,
    ) -> Result<(), Run> {
        let mut sim = Sim::with_only(seed, only);
        let outcome = catch_unwind(AssertUnwindSafe(|| test(&mut sim).map_err(|error| error.to_string())));
        let error = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(payload) => format!("the test panicked: {}", panic_text(&*payload)),
        };
        Err(Run { error, script: sim.script() })
    }

    fn numbers(&self) -> BTreeSet<u64> {
        self.script.iter().map(|(fault, _)| fault.number).collect()
    }
}

fn report<E: Display>(test: &impl Fn(&mut Sim) -> Result<(), E>, seed: u64, failed: Run) -> String {
    let happened = failed.script.len();
    // The first run has printed its panics. The other runs would print the same panics some hundred times.
    let silence = Silence::begin();
    let needed = smallest(&failed.numbers(), TRIES, |some| Run::of(test, seed, Some(some)).is_err());
    // The report describes the run that the command below reproduces.
    let failed = Run::of(test, seed, Some(&needed)).err().unwrap_or(failed);
    drop(silence);
    let mut text = format!("seed {seed} fails: {}\n", failed.error);
    let _ = match needed.len() {
        0 => writeln!(text, "\nIt fails without any fault."),
        n => writeln!(text, "\nOf {happened} faults it needs {n}:"),
    };
    for (fault, host) in failed.script.iter().take(LISTED) {
        let at = fault.at.as_secs_f64();
        let _ = writeln!(text, "  {:>9.6} s  {host}: {} (number {})", at, fault.fault, fault.number);
    }
    if failed.script.len() > LISTED {
        let _ = writeln!(text, "  and {} more", failed.script.len() - LISTED);
    }
    let numbers: Vec<String> = needed.iter().map(u64::to_string).collect();
    let again = format!("WATERWHEEL_SEED={seed} WATERWHEEL_FAULTS={} {}", numbers.join(","), command());
    let _ = write!(text, "\nRun it again:  {again}\nSee its trace: WATERWHEEL_TRACE=trace.json {again}");
    text
}

/// The command that runs this test alone: cargo's test harness names each thread after its test. Without the harness
/// it is the command that runs the whole program.
fn command() -> String {
    match std::thread::current().name() {
        Some(test) if test != "main" => format!("cargo test {test}"),
        _ => env::args().collect::<Vec<_>>().join(" "),
    }
}
