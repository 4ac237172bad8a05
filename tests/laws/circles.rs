//! No circles of files: within a folder of `src/`, too, each file imports only from files that do not need it.
//!
//! An import from a file that re-exports its children counts as an import from the child. Files of one folder that
//! implement the same type count as one file, called a room here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::paths::{Named, module_of, paths_of};
use crate::source_tree::{SourceFile, leading_name, sources, subject_of};

/// The circles that exist, each with its reason. Files may leave them, and none may join.
const KNOWN: [(&[&str], &str); 4] = [
    (
        &["event_loop/builder.rs", "event_loop/close.rs", "event_loop/descriptor.rs", "event_loop/running.rs"],
        "a loop lends its builder and its methods, which make, run and close a loop",
    ),
    (
        &[
            "executor/budget.rs",
            "executor/current.rs",
            "executor/leaving.rs",
            "executor/mailbox.rs",
            "executor/mod.rs",
            "executor/node.rs",
            "executor/ready.rs",
            "executor/thread_loops.rs",
            "executor/waiter.rs",
            "executor/waker.rs",
        ],
        "a waker finds its node by the loop of the thread, and a node makes its waker",
    ),
    (&["interface/protocol.rs", "interface/transport.rs"], "the waist: each side is told of the other"),
    (
        &["streams/feeder.rs", "streams/protocol/background.rs", "streams/reader/bytes.rs", "streams/writer/mod.rs"],
        "the protocol makes its reader and its writer, which ask it",
    ),
];

struct File {
    path: String,
    module: Vec<String>,
    named: Vec<Named>,
    /// The types that the file defines, and those for which it has an `impl`.
    defines: BTreeSet<String>,
    implements: BTreeSet<String>,
}

struct Tree {
    files: Vec<File>,
    by_module: HashMap<Vec<String>, usize>,
}

impl File {
    fn read(source: &SourceFile) -> File {
        let code = source.code();
        let (mut defines, mut implements) = (BTreeSet::new(), BTreeSet::new());
        for line in code.lines() {
            let bare = line.trim_start();
            let bare = bare.strip_prefix("pub ").or_else(|| after_visibility(bare)).unwrap_or(bare);
            for keyword in ["struct ", "enum ", "union ", "trait "] {
                defines.extend(bare.strip_prefix(keyword).map(leading_name));
            }
            if line.starts_with("impl") {
                implements.insert(subject_of(line));
            }
        }
        let module = module_of(&source.path);
        File { path: source.path.clone(), module, named: paths_of(source), defines, implements }
    }

    /// The folder of the file: that of `net/server/mod.rs` is `net/server`.
    fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

fn after_visibility(line: &str) -> Option<&str> {
    line.strip_prefix("pub(")?.split_once(") ").map(|(_, rest)| rest)
}

impl Tree {
    fn read(sources: &[SourceFile]) -> Tree {
        let files: Vec<File> = sources.iter().map(File::read).collect();
        let by_module = files.iter().enumerate().map(|(at, file)| (file.module.clone(), at)).collect();
        Tree { files, by_module }
    }

    /// The file that defines what a path leads to, as far as the path can be followed.
    fn file_of(&self, path: &[String], steps: usize) -> Option<usize> {
        let mut known = *self.by_module.get(path.get(..1)?)?;
        for len in 2..=path.len() {
            if let Some(&deeper) = self.by_module.get(&path[..len]) {
                known = deeper;
                continue;
            }
            let name = &path[len - 1];
            let file = &self.files[known];
            let given_on = file.named.iter().find(|named| named.is_reexport && named.known_as.as_ref() == Some(name));
            return match given_on {
                // A re-exported name may come from a file that re-exports it in turn.
                Some(named) if steps > 0 => {
                    let whole: Vec<String> = named.segments.iter().chain(&path[len..]).cloned().collect();
                    self.file_of(&whole, steps - 1)
                }
                _ => Some(known),
            };
        }
        Some(known)
    }

    /// The files that a file needs, among those in its top-level folder.
    fn needs(&self, at: usize) -> BTreeSet<usize> {
        let file = &self.files[at];
        let known: HashMap<&String, &Named> =
            file.named.iter().filter_map(|named| Some((named.known_as.as_ref()?, named))).collect();
        let mut needs = BTreeSet::new();
        for named in file.named.iter().filter(|named| !named.is_reexport) {
            // A path may begin with an imported name.
            let own = file.module.len();
            let imported = match named.segments.get(own) {
                Some(first) if named.known_as.is_none() && named.segments.starts_with(&file.module) => known.get(first),
                _ => None,
            };
            let whole = match imported {
                Some(import) => [&import.segments, &named.segments[own + 1..]].concat(),
                None => named.segments.clone(),
            };
            needs.extend(self.file_of(&whole, 8));
        }
        needs.retain(|&other| other != at && self.files[other].module.first() == file.module.first());
        needs
    }

    /// For each file, the first file of its room: the files of a folder that define or implement one type of that
    /// folder.
    fn rooms(&self) -> Vec<usize> {
        let mut rooms: Vec<usize> = (0..self.files.len()).collect();
        for definer in self.files.iter().filter(|file| !file.folder().is_empty()) {
            for name in &definer.defines {
                let shares = |file: &File| file.implements.contains(name) || file.defines.contains(name);
                let in_folder = |at: &usize| self.files[*at].folder() == definer.folder() && shares(&self.files[*at]);
                let sharing: Vec<usize> = (0..self.files.len()).filter(in_folder).collect();
                let first = sharing.iter().map(|&at| rooms[at]).min().expect("the definer is one of them");
                let joined: Vec<usize> = sharing.iter().map(|&at| rooms[at]).collect();
                rooms.iter_mut().filter(|room| joined.contains(room)).for_each(|room| *room = first);
            }
        }
        rooms
    }

    /// Every circle of rooms. Each room is represented by its first file.
    fn circles(&self) -> Vec<Vec<String>> {
        let rooms = self.rooms();
        let mut needs: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for at in 0..self.files.len() {
            let needed = self.needs(at).into_iter().map(|other| rooms[other]).filter(|room| *room != rooms[at]);
            needs.entry(rooms[at]).or_default().extend(needed);
        }
        let reached: BTreeMap<usize, BTreeSet<usize>> =
            needs.keys().map(|&from| (from, reachable(&needs, from))).collect();
        let mut circles: BTreeSet<Vec<usize>> = BTreeSet::new();
        for (&from, those) in &reached {
            if those.contains(&from) {
                circles.insert(those.iter().copied().filter(|other| reached[other].contains(&from)).collect());
            }
        }
        let names = |rooms: &Vec<usize>| rooms.iter().map(|room| self.files[*room].path.clone()).collect();
        circles.iter().map(names).collect()
    }
}

fn reachable(needs: &BTreeMap<usize, BTreeSet<usize>>, from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<usize> = needs[&from].iter().copied().collect();
    while let Some(room) = next.pop() {
        if reached.insert(room) {
            next.extend(&needs[&room]);
        }
    }
    reached
}

fn circles_of(sources: &[SourceFile]) -> Vec<Vec<String>> {
    Tree::read(sources).circles()
}

#[test]
fn no_files_need_each_other_but_for_those_that_are_known() {
    let circles = circles_of(&sources());
    let is_known =
        |circle: &Vec<String>| KNOWN.iter().any(|(known, _)| circle.iter().all(|file| known.contains(&file.as_str())));
    let unknown: Vec<_> = circles.iter().filter(|circle| !is_known(circle)).collect();
    assert!(unknown.is_empty(), "{} circles of files: {unknown:#?}", unknown.len());
    for (known, reason) in KNOWN {
        let is_there = circles.iter().any(|circle| circle.iter().any(|file| known.contains(&file.as_str())));
        assert!(is_there, "this circle has gone, and is known no longer: {known:?} ({reason})");
    }
}

/// The circles among files with these paths and texts.
fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    circles_of(&files.iter().map(|(path, text)| SourceFile::new(path, text)).collect::<Vec<_>>())
}

#[test]
fn a_circle_is_found_in_every_form() {
    let bad: [&[(&str, &str)]; 7] = [
        &[("net/a.rs", "use crate::net::b::B;"), ("net/b.rs", "use super::a::A;"), ("net/mod.rs", "mod a; mod b;")],
        &[
            ("net/a.rs", "fn f() { super::b::g(); }"),
            ("net/b.rs", "use crate::{errors, net::{a}};"),
            ("net/mod.rs", ""),
        ],
        // A circle of three, through the name of an imported module.
        &[
            ("net/a.rs", "use super::b;\nfn f() { b::g(); }"),
            ("net/b.rs", "use super::c::C as D;"),
            ("net/c.rs", "use super::a::f;"),
            ("net/mod.rs", "mod a; mod b; mod c;"),
        ],
        // Through a folder's re-exports.
        &[
            ("net/client/mod.rs", "mod dial;\npub(crate) use dial::Dial;"),
            ("net/client/dial.rs", "use crate::net::server::Server;"),
            ("net/server.rs", "use super::client::Dial;"),
            ("net/mod.rs", "mod client; mod server;"),
        ],
        // A folder's own file that defines something besides its children.
        &[
            ("net/mod.rs", "mod a;\nuse a::A;\npub(crate) struct B(A);"),
            ("net/a.rs", "use super::B;\npub(crate) struct A;"),
        ],
        // Different types of one folder do not make a room.
        &[
            ("net/a.rs", "pub(crate) struct A;\nimpl A { fn b() -> super::b::B {} }"),
            ("net/b.rs", "use super::a::A;\npub(crate) struct B;\nimpl B {}"),
            ("net/mod.rs", ""),
        ],
        // Neither do files that implement a type of another folder.
        &[
            ("net/a.rs", "use super::b::f;\nimpl LoopHandle {}"),
            ("net/b.rs", "use super::a::g;\nimpl LoopHandle {}"),
            ("net/mod.rs", ""),
        ],
    ];
    for files in bad {
        assert_eq!(found(files).len(), 1, "{files:?}");
    }
    let good: [&[(&str, &str)]; 4] = [
        &[("net/a.rs", "use super::b::B;"), ("net/b.rs", "use crate::errors::E;"), ("net/mod.rs", "mod a; mod b;")],
        // A folder's file that only re-exports from its children.
        &[
            ("net/mod.rs", "mod a;\nmod b;\npub(crate) use a::A;\npub(crate) use b::B;"),
            ("net/a.rs", "use super::B;\npub(crate) struct A;"),
            ("net/b.rs", "pub(crate) struct B;"),
        ],
        // One type with methods in several files.
        &[
            (
                "net/t/mod.rs",
                "mod reading;\npub(crate) struct T<C>(C);\nimpl<C: Copy> T<C> { fn f(&self) { self.read() } }",
            ),
            ("net/t/reading.rs", "use super::T;\nimpl<C> T<C> { fn read(&self) {} }"),
            ("net/mod.rs", "mod t;"),
        ],
        // Unit tests may need anything.
        &[
            ("net/a.rs", "use super::b::B;"),
            ("net/b.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::net::a;\n}\n"),
            ("net/mod.rs", ""),
        ],
    ];
    for files in good {
        assert_eq!(found(files), Vec::<Vec<String>>::new(), "{files:?}");
    }
}
