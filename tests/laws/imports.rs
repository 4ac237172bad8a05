//! The order of the top-level modules, and the imports that violate it.
use crate::paths::paths_of;
use crate::source_tree::SourceFile;

/// From low to high. A module may import from itself and from those before it. A new top-level module goes here as low
/// as its own imports allow.
pub(crate) const ORDER: [&str; 32] = [
    "errors",
    "constants",
    "sync",
    "report",
    "trace",
    "slots",
    "interface",
    "place",
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
    "introspection",
    "signals",
    "debug",
    "net",
    "streams",
    "tls",
    "adapters",
    "runner",
    "synchronization",
    "coming_from",
    "recipes",
    "resources",
    "sim",
    "testing",
];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|name| *name == module)
}

/// Every import of a file that points up, or to an unknown module, with its line.
pub(crate) fn upward_imports(file: &SourceFile) -> Vec<String> {
    if file.path == "lib.rs" {
        return Vec::new();
    }
    let own = file.path.split(['/', '.']).next().expect("a path has a first part");
    let Some(own_rank) = rank(own) else {
        return vec![format!("{}: the module `{own}` has no place in the order", file.path)];
    };
    let mut wrong = Vec::new();
    for named in paths_of(file).iter().filter(|named| named.is_absolute) {
        let Some(target) = named.segments.first() else { continue };
        let place = format!("{}:{}", file.path, named.line);
        match rank(target) {
            Some(target_rank) if target_rank <= own_rank => {}
            Some(_) => wrong.push(format!("{place}: `{own}` imports `{target}`, which is above it")),
            None => wrong.push(format!("{place}: `crate::{target}` names no top-level module")),
        }
    }
    wrong.dedup();
    wrong
}
