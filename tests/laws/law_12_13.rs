//! Law 12: imports point down. Law 13: no unsafe. Both are laws about the text of the sources, so the tests read it.

use std::fs;

use crate::imports::{ORDER, upward_imports};
use crate::source_tree::{SourceFile, crate_root, sources};
use crate::tools::guarded;

#[test]
fn law_12_imports_point_down() {
    guarded(imports_point_down);
}

fn imports_point_down() {
    let wrong: Vec<String> = sources().iter().flat_map(upward_imports).collect();
    assert_eq!(wrong, Vec::<String>::new());
    // The order names existing modules, and the check can find a violation.
    let present = sources().iter().filter(|file| ORDER.iter().any(|name| file.path.starts_with(name))).count();
    assert_eq!(present + 1, sources().len(), "all but lib.rs have a place");
    assert_eq!(upward_imports(&SourceFile::new("timers.rs", "use crate::{errors::TimedOut, net};")).len(), 1);
}

#[test]
fn law_13_no_unsafe() {
    guarded(no_unsafe);
}

fn no_unsafe() {
    for word in ["unsafe", "no_mangle", "export_name", "link_section"] {
        let places: Vec<String> = sources().iter().flat_map(|file| file.places(word)).collect();
        assert_eq!(places, Vec::<String>::new(), "{word}");
    }
    assert!(!SourceFile::new("x.rs", "fn f() { unsafe { g() } }").places("unsafe").is_empty());
    // The compiler forbids unsafe code too. Only a crate attribute or this line of the manifest cannot be overruled.
    let manifest = fs::read_to_string(crate_root().join("Cargo.toml")).expect("the manifest can be read");
    let (_, lints) = manifest.split_once("[lints.rust]\n").expect("the manifest has lints");
    let section = lints.split("\n[").next().expect("a section has a beginning");
    assert!(section.lines().any(|line| line == "unsafe_code = \"forbid\""), "{section}");
}
