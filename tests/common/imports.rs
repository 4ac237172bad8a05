//! The order of the top-level modules, and who breaks it.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use crate::source_tree::SourceFile;

/// From low to high. A module may import from itself and from those before it. A new top-level module gets its place
/// here, as low as what it needs allows.
pub(crate) const ORDER: [&str; 22] = [
    "errors",
    "constants",
    "report",
    "slots",
    "interface",
    "handle",
    "timers",
    "transports",
    "reactor",
    "threads",
    "executor",
    "event_loop",
    "promise",
    "task",
    "time",
    "signals",
    "net",
    "streams",
    "tls",
    "runner",
    "sim",
    "testing",
];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// Every import of a file that points up, or to no known module, with its line.
pub(crate) fn upward_imports(file: &SourceFile) -> Vec<String> {
    if file.path == "lib.rs" {
        return Vec::new();
    }
    let own = file.path.split(['/', '.']).next().expect("a path has a first part");
    let Some(own_rank) = rank(own) else {
        return vec![format!("{}: the module `{own}` has no place in the order", file.path)];
    };
    let code = file.code();
    let mut wrong = Vec::new();
    for (offset, target) in root_paths(&code, depth(&file.path)) {
        let line = SourceFile::line_of(&code, offset);
        match rank(&target) {
            Some(target_rank) if target_rank <= own_rank => {}
            Some(_) => wrong.push(format!("{}:{line}: `{own}` imports `{target}`, which is above it", file.path)),
            None => wrong.push(format!("{}:{line}: `crate::{target}` names no top-level module", file.path)),
        }
    }
    wrong
}

/// How many `super::` lead from a file to the root of the crate.
fn depth(path: &str) -> usize {
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
    module.split('/').count()
}

/// The first names after the root of the crate, of every path in the code that begins there, with where it stands.
fn root_paths(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let climb = "super::".repeat(depth);
    for start in ["crate::", climb.as_str()] {
        for (offset, _) in code.match_indices(start) {
            let before = code[..offset].chars().next_back();
            let part_of_a_path = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
            if !part_of_a_path {
                let after = code[offset + start.len()..].trim_start();
                found.extend(first_names(after).into_iter().map(|name| (offset, name)));
            }
        }
    }
    found
}

/// What stands at the beginning of a path or, in braces, at the beginning of each of several.
fn first_names(path: &str) -> Vec<String> {
    let Some(list) = path.strip_prefix('{') else { return vec![leading_name(path)] };
    let mut names = Vec::new();
    let mut depth = 0;
    let mut at_start = true;
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if at_start && !c.is_whitespace() => {
                names.push(leading_name(&list[at..]));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

fn leading_name(path: &str) -> String {
    path.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '*').collect()
}
