//! The functions and files that ARCHITECTURE.md names exist in the places that it gives for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::paths::module_of;
use crate::source_tree::{SourceFile, crate_root, leading_name, sources, subject_of};

/// Which names are defined where.
#[derive(Default)]
struct Index {
    /// The paths of all files, and of their folders.
    places: BTreeSet<String>,
    /// For each type, trait and module, by its last name: its functions and variants.
    members: BTreeMap<String, BTreeSet<String>>,
    /// The files in which a function, type, constant or trait is defined.
    definitions: BTreeMap<String, BTreeSet<String>>,
}

impl Index {
    fn read(sources: &[SourceFile]) -> Index {
        let mut index = Index::default();
        for source in sources {
            index.add(source);
        }
        index
    }

    fn add(&mut self, source: &SourceFile) {
        self.places.insert(source.path.clone());
        let mut folder = source.path.as_str();
        while let Some((above, _)) = folder.rsplit_once('/') {
            self.places.insert(above.to_owned());
            folder = above;
        }
        let module = module_of(&source.path).pop().unwrap_or_default();
        // The open blocks: the depth of each, and the owner of its members.
        let mut open: Vec<(usize, String)> = vec![(0, module)];
        let mut depth = 0;
        let mut header = String::new();
        for line in source.code().lines() {
            let indent = line.len() - line.trim_start().len();
            let bare = without_qualifiers(line.trim_start());
            for keyword in ["fn ", "struct ", "enum ", "trait ", "type ", "const ", "static "] {
                let Some(name) = bare.strip_prefix(keyword).map(leading_name) else { continue };
                self.definitions.entry(name.clone()).or_default().insert(source.path.clone());
                let owner = open.last().expect("the module is always open").1.clone();
                self.members.entry(owner).or_default().insert(name);
            }
            let is_header = ["impl", "trait ", "enum "].iter().any(|keyword| bare.starts_with(keyword));
            if is_header || !header.is_empty() {
                header.push_str(bare);
                header.push(' ');
            }
            // A variant: the first word of a line inside an enum.
            if open.len() > 1 && indent > 0 && bare.starts_with(|c: char| c.is_uppercase()) {
                let owner = open.last().expect("it was looked at").1.clone();
                self.members.entry(owner).or_default().insert(leading_name(bare));
            }
            for c in line.chars() {
                match c {
                    '{' => {
                        depth += 1;
                        if !header.is_empty() {
                            open.push((depth, subject_of(&header)));
                            header.clear();
                        }
                    }
                    '}' => {
                        if open.len() > 1 && open.last().is_some_and(|(at, _)| *at == depth) {
                            open.pop();
                        }
                        depth -= 1;
                    }
                    ';' => header.clear(),
                    _ => {}
                }
            }
        }
    }

    /// Whether a path below `src/` exists, with or without `.rs`.
    fn has_place(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.places.contains(path) || self.places.contains(&format!("{path}.rs"))
    }

    /// Like [`has_place`](Index::has_place), and also for a path that begins in a folder of `src/`, or at the crate's
    /// root.
    fn has_place_below_any(&self, path: &str) -> bool {
        let end = format!("/{}", path.trim_end_matches('/'));
        let is_there = |place: &String| place.ends_with(&end) || place.ends_with(&format!("{end}.rs"));
        self.has_place(path) || self.places.iter().any(is_there) || crate_root().join(path).exists()
    }

    /// Whether anything has this name: a function, a type, a file, a folder, or a test of a law.
    fn knows(&self, name: &str) -> bool {
        self.definitions.contains_key(name) || self.has_place_below_any(name) || name.starts_with("law_")
    }

    /// What is wrong with a path of names such as `Type::function`.
    fn fault_of(&self, path: &str) -> Option<String> {
        let (owner, member) = path.rsplit_once("::")?;
        let owner = owner.rsplit("::").next().unwrap_or(owner);
        match self.members.get(owner) {
            Some(members) if members.contains(member) => None,
            Some(_) => Some(format!("`{path}`: `{owner}` has no `{member}`")),
            None => Some(format!("`{path}`: there is no `{owner}`")),
        }
    }

    /// Whether this file or folder defines the name.
    fn defines(&self, place: &str, name: &str) -> bool {
        let place = place.trim_end_matches('/').trim_end_matches(".rs");
        let is_below = |path: &String| path.strip_prefix(place).is_some_and(|rest| rest.starts_with(['/', '.']));
        self.definitions.get(name).is_some_and(|files| files.iter().any(is_below))
    }
}

/// A line without the qualifiers that may come before the keyword of a definition.
fn without_qualifiers(mut line: &str) -> &str {
    loop {
        let before = line;
        for word in ["pub ", "async ", "const fn", "unsafe ", "default "] {
            line = match word {
                "const fn" if line.starts_with(word) => &line["const ".len()..],
                "const fn" => line,
                _ => line.strip_prefix(word).unwrap_or(line),
            };
        }
        if let Some((_, rest)) = line.strip_prefix("pub(").and_then(|rest| rest.split_once(") ")) {
            line = rest;
        }
        if line == before {
            return line;
        }
    }
}

/// The spans in backquotes of a text, each with the text up to the next span.
fn spans(text: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    parts[1..].chunks(2).map(|pair| (pair[0], pair.get(1).copied().unwrap_or_default())).collect()
}

/// The paths that a span stands for: `a/{b,c}` stands for two.
fn expanded(span: &str) -> Vec<String> {
    let Some((before, rest)) = span.split_once('{') else { return vec![span.to_owned()] };
    let (inside, after) = rest.split_once('}').unwrap_or((rest, ""));
    inside.split(',').map(|one| format!("{before}{}{after}", one.trim())).collect()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic()) && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Names from elsewhere: the standard library and asyncio.
const OF_OTHERS: [&str; 2] = ["std", "io"];

/// Everything that a text names and that does not exist, or not in the place that the text gives.
fn faults(architecture: &str, index: &Index) -> Vec<String> {
    // Diagrams contain no names to check.
    let text: String = architecture.split("```").step_by(2).collect::<Vec<_>>().join("\n");
    let mut faults = Vec::new();
    for (span, _) in spans(&text) {
        let span_path = span.split('(').next().unwrap_or(span);
        if span_path.contains("::") && span_path.split("::").all(is_name) {
            if !OF_OTHERS.contains(&span_path.split("::").next().unwrap_or_default()) {
                faults.extend(index.fault_of(span_path));
            }
        } else if span.contains('/') && !span.starts_with('/') && !span.contains(' ') {
            let missing = expanded(span).into_iter().filter(|path| !index.has_place_below_any(path));
            faults.extend(missing.map(|path| format!("`{path}` is not there")));
        } else if is_name(span_path) && span_path.contains('_') && !index.knows(span_path) {
            faults.push(format!("`{span_path}` is not defined anywhere"));
        }
    }
    // `Core::turn` in `event_loop/turn.rs`
    for window in spans(&text).windows(2) {
        let [(what, between), (place, _)] = window else { continue };
        let name = what.rsplit("::").next().unwrap_or(what);
        if *between == " in " && place.contains('/') && is_name(name) && !index.defines(place, name) {
            faults.push(format!("`{name}` is not defined in `{place}`"));
        }
    }
    faults.extend(text.lines().filter_map(|line| line.strip_prefix("| `")).flat_map(|row| row_faults(row, index)));
    faults
}

/// The faults of a row of the code map: the names in its second cell must exist below the place in its first.
fn row_faults(row: &str, index: &Index) -> Vec<String> {
    let mut cells = row.split(" | ");
    let place = cells.next().and_then(|cell| cell.split('`').next()).unwrap_or_default();
    let what = cells.next().unwrap_or_default();
    if !index.has_place(place) {
        return Vec::new();
    }
    // A file may be listed with files that belong to it in the same folder.
    let folder = match place.strip_suffix('/') {
        None => place.rsplit_once('/').map_or(place, |(folder, _)| folder),
        Some(folder) => folder,
    };
    let mut inner = folder.to_owned();
    let mut faults = Vec::new();
    for (span, after) in spans(what) {
        for name in expanded(span) {
            let bare = name.trim_end_matches('/');
            let is_there = [&inner, &folder.to_owned()]
                .iter()
                .any(|below| index.has_place(&format!("{below}/{bare}")) || index.defines(below, bare));
            // Spans that are not names, such as `.tls(..)`, and crates and functions of others are not checked.
            if is_name(bare.rsplit('/').next().unwrap_or(bare)) && !is_there && !NO_MODULE.contains(&bare) {
                faults.push(format!("`{name}` is not below `{place}`"));
            }
            // The children of `transport/` follow in parentheses.
            if name.ends_with('/') && after.trim_start().starts_with('(') {
                inner = format!("{folder}/{bare}");
            } else if after.contains(')') {
                inner = folder.to_owned();
            }
        }
    }
    faults
}

/// Names in the code map that are not modules.
const NO_MODULE: [&str; 3] = ["getaddrinfo", "StreamProtocol", "unsafe"];

#[test]
fn what_the_architecture_names_is_there() {
    let architecture = fs::read_to_string(crate_root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md can be read");
    let faults = faults(&architecture, &Index::read(&sources()));
    assert!(faults.is_empty(), "{} found:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn a_name_that_is_not_there_or_elsewhere_is_found() {
    let index = Index::read(&[
        SourceFile::new("event_loop/turn.rs", "impl Core {\n    pub(crate) fn turn(&self) {\n        {}\n    }\n}\n"),
        SourceFile::new("net/server/mod.rs", "pub enum Way {\n    Quick,\n}\nfn helper_of_all() {}\n"),
        SourceFile::new(
            "net/server/state.rs",
            "impl<T: Fn() -> u8> Drop for State<T> {\n    fn drop(&mut self) {}\n}\n",
        ),
        SourceFile::new("task/mod.rs", "pub(crate) trait Poll: Sized {\n    fn poll_main(&self);\n}\nstruct Core;\n"),
    ]);
    let good = [
        "`Core::turn` in `event_loop/turn.rs`",
        "`Way::Quick`, `State::drop`, `Poll::poll_main`, `server::helper_of_all`",
        "`net/server/{mod,state}`, `server/state.rs`, `net/`, `std::task::Waker`, `timeout(0)`, `&mut self`",
        "`helper_of_all` and `law_01_one_caller`",
        "| `net/server/` | `state`, `Way` (one), `helper_of_all` | nothing of `task` |",
    ];
    for text in good {
        assert_eq!(faults(text, &index), Vec::<String>::new(), "{text}");
    }
    let bad = [
        "`Core::turn` in `task/mod.rs`",
        "`Core::poll_main`",
        "`Way::Slow`",
        "`Nobody::turn`",
        "`event_loop/turns.rs`",
        "`net/server/{mod,face}`",
        "`helper_of_none`",
        "| `net/server/` | `state`, `turn` | |",
        "| `task/` | `state` | |",
    ];
    for text in bad {
        assert_eq!(faults(text, &index).len(), 1, "{text}");
    }
}
