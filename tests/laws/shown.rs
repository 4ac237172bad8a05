//! Every public function is shown in an example of the documentation, but for those on a list. The list only gets shorter.

use std::collections::BTreeSet;

use crate::source_tree::{SourceFile, leading_name, sources};

/// Public functions that no example shows, as `file name`. None may be added: a new function comes with an example.
const NOT_SHOWN: &str = include_str!("not_shown.txt");

/// The words of all examples in the documentation of a file.
fn words_of_examples(file: &SourceFile) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut inside = false;
    for line in file.text.lines().map(str::trim_start) {
        let Some(said) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            inside = false;
            continue;
        };
        if said.trim_start().starts_with("```") {
            inside = !inside && !said.contains("text");
        } else if inside {
            // What a comment in an example says is not used by it.
            let code = said.split("// ").next().unwrap_or(said);
            words.extend(code.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
        }
    }
    words
}

/// The public functions of a file, once each.
fn functions(file: &SourceFile) -> BTreeSet<String> {
    let code = file.code();
    let items = code.lines().filter_map(|line| line.trim_start().strip_prefix("pub "));
    let functions = items.filter_map(|item| {
        let item = item.trim_start_matches("const ").trim_start_matches("async ");
        item.strip_prefix("fn ").map(leading_name)
    });
    functions.collect()
}

#[test]
fn every_public_function_is_shown_by_an_example_or_stands_on_the_list() {
    let sources = sources();
    let shown: BTreeSet<String> = sources.iter().flat_map(words_of_examples).collect();
    let not_shown: BTreeSet<String> = sources
        .iter()
        .flat_map(|file| functions(file).into_iter().map(move |name| (file, name)))
        .filter(|(_, name)| !shown.contains(name))
        .map(|(file, name)| format!("{} {name}", file.path))
        .collect();
    let listed: BTreeSet<String> = NOT_SHOWN.lines().map(str::to_owned).collect();
    let new: Vec<_> = not_shown.difference(&listed).collect();
    assert!(new.is_empty(), "no example shows {new:#?}");
    let shown_by_now: Vec<_> = listed.difference(&not_shown).collect();
    assert!(shown_by_now.is_empty(), "take these from the list: {shown_by_now:#?}");
}

#[test]
fn what_counts_is_the_code_of_an_example() {
    let file = SourceFile::new(
        "a.rs",
        "/// said\n/// ```\n/// used(1); // noted\n/// ```\n/// told\n/// ```text\n/// drawn\n/// ```\npub async fn one() {}\nfn two() {}",
    );
    let words = words_of_examples(&file);
    assert!(words.contains("used"));
    for word in ["said", "noted", "told", "drawn"] {
        assert!(!words.contains(word), "{word}");
    }
    assert_eq!(functions(&file).into_iter().collect::<Vec<_>>(), ["one"]);
}
