//! What a library adds to a program: build time, crates and size.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Effort, Part};
use crate::children::{Outcome, Running};
use crate::report::metric::{BUILD, BUILD_CPU, CRATES, SIZE};
use crate::report::{Figures, Report};

pub(super) const PART: Part = Part {
    name: "footprint",
    title: "Building an echo server",
    explanation: "A clean release build of a small echo server with all its dependencies, on all cores. `tokio` has \
                  the features that an echo server needs: `rt`, `net`, `io-util`, `time` and `sync`; `tokio-full` has \
                  `full`, as in its tutorial. `fat` is with fat LTO and one codegen unit, `small` adds `opt-level = \
                  \"z\"` and `panic = \"abort\"`.",
    run,
};

const PROFILES: &[(&str, &str)] = &[
    ("release", "strip = true"),
    ("fat", "strip = true\nlto = \"fat\"\ncodegen-units = 1"),
    ("small", "strip = true\nlto = \"fat\"\ncodegen-units = 1\npanic = \"abort\"\nopt-level = \"z\""),
];

fn run(effort: &Effort, report: &mut Report) {
    let rounds = if effort.quick { 1 } else { 2 };
    for (name, profile) in PROFILES {
        report.measure(PART.name, name, rounds, &["tokio", "tokio-full", "waterwheel"], |who| build(who, profile));
    }
}

fn build(who: &str, profile: &str) -> Outcome<Figures> {
    let directory = std::env::temp_dir().join(format!("versus-{}-{who}", std::process::id()));
    let built = prepare(&directory, who, profile)
        .map_err(|error| format!("the package is not written: {error}"))
        .and_then(|()| cargo(&directory));
    // A directory that cannot be deleted is no reason to stop.
    let _ = fs::remove_dir_all(&directory);
    built
}

fn prepare(directory: &Path, who: &str, profile: &str) -> std::io::Result<()> {
    let versus = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dependency = match who {
        "waterwheel" => format!("waterwheel = {{ path = {:?} }}", versus.join("../..")),
        "tokio-full" => r#"tokio = { version = "1", features = ["full"] }"#.into(),
        _ => r#"tokio = { version = "1", features = ["rt", "net", "io-util", "time", "sync"] }"#.into(),
    };
    let manifest = format!(
        "[package]\nname = \"echo\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\n{dependency}\n[profile.release]\n{profile}\n"
    );
    let program = match who {
        "waterwheel" => include_str!("../../footprint/waterwheel.rs"),
        _ => include_str!("../../footprint/tokio.rs"),
    };
    // The leftovers of an earlier run would make this one too fast.
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory.join("src"))?;
    fs::write(directory.join("Cargo.toml"), manifest)?;
    fs::write(directory.join("src/main.rs"), program)?;
    // The same versions as in the rest of this bench.
    fs::write(directory.join("Cargo.lock"), include_str!("../../Cargo.lock"))
}

fn cargo(directory: &Path) -> Outcome<Figures> {
    // Missing crates are downloaded before the time starts.
    shell(directory, "cargo fetch")?;
    let start = Instant::now();
    // Cargo lists the crates that it compiles on its error output. The last line of `times` is the CPU time of
    // children.
    let output = shell(directory, "cargo build --release --offline --target-dir target 2>&1 && times")?;
    let time = start.elapsed().as_secs_f64();
    let crates = output.iter().filter(|line| line.trim_start().starts_with("Compiling")).count();
    let program = fs::metadata(directory.join("target/release/echo"));
    let last = output.last().cloned().unwrap_or_default();
    let size = program.map_err(|_| last.clone())?.len();
    let cpu = last.split_whitespace().map(seconds).sum::<Option<f64>>().ok_or(last)?;
    // The program itself is one of the compiled crates.
    Ok(vec![(BUILD, time), (BUILD_CPU, cpu), (CRATES, crates as f64 - 1.0), (SIZE, size as f64 / 1024.0)])
}

/// Runs a command in a directory, and returns its output.
fn shell(directory: &Path, line: &str) -> Outcome<Vec<String>> {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(directory);
    command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    Running::start_anywhere(command)?.output(Duration::from_secs(240))
}

/// A time as the shell prints it: `1m23.450000s`.
fn seconds(time: &str) -> Option<f64> {
    let (minutes, seconds) = time.strip_suffix('s')?.split_once('m')?;
    Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_that_the_shell_prints_is_read() {
        assert_eq!(seconds("1m23.450000s"), Some(83.45));
        assert_eq!(seconds("Finished"), None);
    }
}
