//! The shape of `src/`: files are short and say what they are for, and ARCHITECTURE.md names every module. Law 12
//! checks that imports point down, and `circles` that they form no circles. Each check is also shown an example that
//! it must reject.

use std::fs;

use crate::imports::upward_imports;
use crate::source_tree::{SourceFile, crate_root, sources};

const MOST_LINES: usize = 300;

/// How many lines of code a file has, without its unit tests, comments and blank lines.
fn lines_of_code(file: &SourceFile) -> usize {
    file.code().lines().filter(|line| !line.trim().is_empty()).count()
}

fn too_long(file: &SourceFile) -> Option<String> {
    let lines = lines_of_code(file);
    (lines > MOST_LINES).then(|| format!("{}: {lines} lines of code", file.path))
}

/// Code after the unit tests would not be counted.
fn code_after_tests(file: &SourceFile) -> Option<String> {
    let (_, tests) = file.text.split_once("\n#[cfg(test)]\nmod ")?;
    let (_, after) = tests.split_once("\n}\n")?;
    (!after.trim().is_empty()).then(|| format!("{}: code follows the unit tests", file.path))
}

fn without_opening(file: &SourceFile) -> Option<String> {
    let opens = file.text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > 8);
    (!opens).then(|| format!("{}: does not open with a `//!` line", file.path))
}

/// The name of a module: a file's stem, or a folder's name.
fn module_name(path: &str) -> &str {
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
    module.rsplit('/').next().expect("a path has a last part")
}

/// The parts of a Markdown text that are code: fenced blocks and spans in backquotes.
fn code_of_markdown(text: &str) -> String {
    let mut code = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            code.push_str(line);
        } else {
            line.split('`').skip(1).step_by(2).for_each(|span| {
                code.push_str(span);
                code.push(' ');
            });
        }
        code.push('\n');
    }
    code
}

fn unnamed(file: &SourceFile, architecture: &str) -> Option<String> {
    let name = module_name(&file.path);
    let code = code_of_markdown(architecture);
    let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let named = name == "lib" || words.any(|word| word == name);
    (!named).then(|| format!("{}: ARCHITECTURE.md does not name `{name}`", file.path))
}

fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{} found:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_file_has_over_300_lines_of_code() {
    assert_none(sources().iter().filter_map(too_long).collect());
}

#[test]
fn unit_tests_stand_at_the_end_of_their_file() {
    assert_none(sources().iter().filter_map(code_after_tests).collect());
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    assert_none(sources().iter().filter_map(without_opening).collect());
}

#[test]
fn the_architecture_names_every_module() {
    let path = crate_root().join("ARCHITECTURE.md");
    let architecture = fs::read_to_string(&path).expect("ARCHITECTURE.md can be read");
    assert_none(sources().iter().filter_map(|file| unnamed(file, &architecture)).collect());
}

#[test]
fn an_import_that_points_up_is_found_in_every_form() {
    let bad = [
        ("timers.rs", "use crate::event_loop::Core;"),
        ("timers.rs", "use crate::{\n    errors::TimedOut,\n    net::{self, Server},\n};"),
        ("timers.rs", "fn f() { let s = crate::streams::open(); }"),
        ("timers.rs", "pub(crate) use crate::testing;"),
        ("timers.rs", "use super::task::Task;"),
        ("net/server.rs", "use super::super::streams::pair;"),
        ("net/connection/mod.rs", "use super::super::{errors, runner};"),
        ("reactor/selector.rs", "impl Trait for crate::executor::Mailbox {}"),
        ("reactor/selector.rs", "use crate::Promise;"),
        ("reactor/selector.rs", "use crate::*;"),
        ("newcomer.rs", "fn f() {}"),
    ];
    for (path, text) in bad {
        assert_eq!(upward_imports(&SourceFile::new(path, text)).len(), 1, "{path}: {text}");
    }
    let good = [
        (
            "streams/reader/mod.rs",
            "use crate::{\n    errors::ReadError,\n    streams::{protocol::{self, pair}, writer},\n};",
        ),
        ("timers.rs", "//! See crate::net.\n/* crate::net */ const S: &str = \"crate::net\"; use crate::timers::x;"),
        ("timers.rs", "pub(in crate::timers) fn f<'a>(c: char) -> bool { c == '\"' }\n// crate::net \"\n"),
        ("net/server.rs", "use super::streams;"),
        ("timers.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::net;\n}\n"),
        ("lib.rs", "pub use crate::testing;"),
    ];
    for (path, text) in good {
        assert_eq!(upward_imports(&SourceFile::new(path, text)), Vec::<String>::new(), "{path}: {text}");
    }
}

#[test]
fn a_file_of_301_lines_of_code_is_found() {
    let tests = "\n#[cfg(test)]\nmod tests {\n    fn more() {}\n}\n";
    let padding = "\n// A comment.\n/* Another\n   one. */\n";
    let file =
        |lines: usize| SourceFile::new("x.rs", &format!("{}{padding}{tests}", "let s = \"//\";\n".repeat(lines)));
    assert_eq!(too_long(&file(300)), None);
    assert_eq!(too_long(&file(301)), Some("x.rs: 301 lines of code".to_owned()));
}

#[test]
fn code_behind_the_unit_tests_is_found() {
    let text = "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
    assert_eq!(code_after_tests(&SourceFile::new("x.rs", text)), None);
    let hidden = format!("{text}\nfn hidden() {{}}\n");
    assert!(code_after_tests(&SourceFile::new("x.rs", &hidden)).is_some());
}

#[test]
fn a_file_without_an_opening_is_found() {
    assert!(without_opening(&SourceFile::new("x.rs", "//! What it is for.\nuse a;\n")).is_none());
    for text in ["use a;\n", "// A comment.\n", "//!\n", "", "\n//! Too late.\n"] {
        assert!(without_opening(&SourceFile::new("x.rs", text)).is_some(), "{text:?}");
    }
}

#[test]
fn a_module_that_the_architecture_does_not_name_is_found() {
    let architecture = "The step and `net/{conduit, server}`.\n```text\nreactor ─► selector\n```\nsteps\n";
    for (path, named) in [
        ("net/conduit.rs", true),
        ("net/mod.rs", true),
        ("reactor/mod.rs", true),
        ("reactor/selector.rs", true),
        ("lib.rs", true),
        ("event_loop/step.rs", false),
        ("net/serve.rs", false),
    ] {
        assert_eq!(unnamed(&SourceFile::new(path, ""), architecture).is_none(), named, "{path}");
    }
}
