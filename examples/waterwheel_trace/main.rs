//! Shows a trace that a loop has written: as a page that needs only a browser, or as a picture of a few turns.
//!
//!     WATERWHEEL_TRACE=out.json cargo run --example tcp_echo
//!     cargo run --example waterwheel_trace out.json --page out.html
//!     cargo run --example waterwheel_trace out.json --picture out.svg [--first TURN] [--turns COUNT]

mod page;
mod picture;
mod trace;

use std::env;
use std::error::Error;
use std::fs;
use std::process::ExitCode;

use trace::Trace;

const USAGE: &str = "waterwheel_trace TRACE [--page FILE] [--picture FILE [--first TURN] [--turns COUNT]]";

#[derive(Default)]
struct Arguments {
    trace: String,
    page: Option<String>,
    picture: Option<String>,
    first: Option<usize>,
    turns: Option<usize>,
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        match word.as_str() {
            "--page" => arguments.page = Some(value()?),
            "--picture" => arguments.picture = Some(value()?),
            "--first" => arguments.first = Some(value()?.parse()?),
            "--turns" => arguments.turns = Some(value()?.parse()?),
            _ if word.starts_with('-') || !arguments.trace.is_empty() => return Err(USAGE.into()),
            _ => arguments.trace = word,
        }
    }
    if arguments.trace.is_empty() || (arguments.page.is_none() && arguments.picture.is_none()) {
        return Err(USAGE.into());
    }
    Ok(arguments)
}

fn show(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let file = &arguments.trace;
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let trace = Trace::read(&text).map_err(|error| format!("{file} is no trace: {error}"))?;
    println!("{} turns, {} slices", trace.turns().count(), trace.slices.len());
    if let Some(page) = &arguments.page {
        fs::write(page, page::page(&trace)?).map_err(|error| format!("{page}: {error}"))?;
    }
    if let Some(picture) = &arguments.picture {
        // The first turns of a program are mostly setup, so the default is the middle.
        let first = arguments.first.unwrap_or(trace.turns().count() / 2);
        let text = picture::picture(&trace, first, arguments.turns.unwrap_or(4))?;
        fs::write(picture, text).map_err(|error| format!("{picture}: {error}"))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match arguments(env::args().skip(1)).and_then(|arguments| show(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
