//! What a program takes on with a library: how long it builds, how many crates, and how large it gets.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Effort, Part};
use crate::children::{Outcome, Running};
use crate::report::metric::{BUILD, CRATES, SIZE};
use crate::report::{Figures, Report};

pub(super) const PART: Part = Part {
    name: "footprint",
    title: "Building an echo server",
    explanation: "A package of one small echo server is built from nothing in release mode, all its dependencies \
                  included, on all cores; tokio with the features `rt`, `net`, `io-util`, `time` and `sync`. `small` \
                  is with fat LTO and `opt-level = \"z\"`.",
    run,
};

const PROFILES: &[(&str, &str)] = &[
    ("release", "strip = true"),
    ("small", "strip = true\nlto = \"fat\"\ncodegen-units = 1\npanic = \"abort\"\nopt-level = \"z\""),
];

fn run(effort: &Effort, report: &mut Report) {
    let rounds = if effort.quick { 1 } else { 2 };
    for (name, profile) in PROFILES {
        report.measure(PART.name, name, rounds, &["tokio", "waterwheel"], |library| build(library, profile));
    }
}

fn build(library: &str, profile: &str) -> Outcome<Figures> {
    let directory = std::env::temp_dir().join(format!("versus-{}-{library}", std::process::id()));
    let built = prepare(&directory, library, profile)
        .map_err(|error| format!("the package is not written: {error}"))
        .and_then(|()| cargo(&directory));
    // A directory that nobody can delete is no reason to stop.
    let _ = fs::remove_dir_all(&directory);
    built
}

fn prepare(directory: &Path, library: &str, profile: &str) -> std::io::Result<()> {
    let versus = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dependency = match library {
        "waterwheel" => format!("{{ path = {:?} }}", versus.join("../..")),
        _ => {
            r#"{ version = "1", default-features = false, features = ["rt", "net", "io-util", "time", "sync"] }"#.into()
        }
    };
    let manifest = format!(
        "[package]\nname = \"echo\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
         [dependencies]\n{library} = {dependency}\n[profile.release]\n{profile}\n"
    );
    let program = match library {
        "waterwheel" => include_str!("../../footprint/waterwheel.rs"),
        _ => include_str!("../../footprint/tokio.rs"),
    };
    // What an ended run left behind would make this one too fast.
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory.join("src"))?;
    fs::write(directory.join("Cargo.toml"), manifest)?;
    fs::write(directory.join("src/main.rs"), program)?;
    // The same versions as everywhere in this bench, and no download.
    fs::write(directory.join("Cargo.lock"), include_str!("../../Cargo.lock"))
}

fn cargo(directory: &Path) -> Outcome<Figures> {
    let mut command = Command::new("sh");
    // Cargo tells on its error output what it compiles.
    command.args(["-c", "exec cargo build --release --offline --target-dir target 2>&1"]).current_dir(directory);
    command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    let start = Instant::now();
    let output = Running::start_anywhere(command)?.output(Duration::from_secs(240))?;
    let time = start.elapsed().as_secs_f64();
    let crates = output.iter().filter(|line| line.trim_start().starts_with("Compiling")).count();
    let program = fs::metadata(directory.join("target/release/echo"));
    let size = program.map_err(|_| output.last().cloned().unwrap_or_default())?.len();
    // The program itself is one of those that were compiled.
    Ok(vec![(BUILD, time), (CRATES, crates as f64 - 1.0), (SIZE, size as f64 / 1024.0)])
}
