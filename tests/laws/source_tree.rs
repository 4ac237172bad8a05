//! Reads the crate's sources, for tests that check them.
use std::fs;
use std::path::{Path, PathBuf};

/// One file of `src/`.
pub(crate) struct SourceFile {
    /// Its path below `src/`, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    /// The code before the unit tests, with comments and the contents of literals blanked out, line by line.
    pub(crate) fn code(&self) -> String {
        let blanked = blank(&self.text);
        match blanked.find("\n#[cfg(test)]\nmod ") {
            Some(tests) => blanked[..=tests].to_owned(),
            None => blanked,
        }
    }

    /// The line of a byte offset into `code()`, counted from 1.
    pub(crate) fn line_of(code: &str, offset: usize) -> usize {
        code[..offset].matches('\n').count() + 1
    }

    /// Every place where `needle` occurs in the code, as `path:line`, but not as part of a longer word.
    pub(crate) fn places(&self, needle: &str) -> Vec<String> {
        let code = self.code();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        code.match_indices(needle)
            .filter(|(at, _)| {
                let before = code[..*at].chars().next_back().is_some_and(is_word);
                let after = code[at + needle.len()..].chars().next().is_some_and(is_word);
                !(before && needle.starts_with(is_word) || after && needle.ends_with(is_word))
            })
            .map(|(at, _)| format!("{}:{}", self.path, Self::line_of(&code, at)))
            .collect()
    }
}

pub(crate) fn crate_root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All of `src/`, sorted by path.
pub(crate) fn sources() -> Vec<SourceFile> {
    let root = crate_root().join("src");
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 40, "only {} source files were found", files.len());
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).expect("src/ can be read") {
        let path = entry.expect("src/ can be read").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(root).expect("it is below src/").to_string_lossy().replace('\\', "/");
            let text = fs::read_to_string(&path).expect("a source file is text");
            files.push(SourceFile { path: below, text });
        }
    }
}

/// The name at the beginning of a text.
pub(crate) fn leading_name(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The type or trait that a header is about: for `impl<T> Trait for Type<T>` it is `Type`.
pub(crate) fn subject_of(header: &str) -> String {
    let mut depth = 0;
    // The arrow in a function's type is not a closing bracket.
    let header = header.replace("->", "");
    let rest = header.trim_start_matches("impl").trim_start_matches("trait").trim_start_matches("enum").trim_start();
    let mut plain = String::new();
    for c in rest.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    let plain = plain.split(" where ").next().unwrap_or_default();
    let subject = plain.rsplit_once(" for ").map_or(plain, |(_, subject)| subject).trim();
    let path: String = subject.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
    path.trim_end_matches(':').rsplit("::").next().unwrap_or_default().to_owned()
}

/// Replaces comments and the contents of literals by spaces. Line ends are kept.
pub(crate) fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest, 1, '"'),
            'r' if !ends_in_word(&out) => raw_string(rest).unwrap_or(0),
            '\'' => char_literal(rest),
            _ => 0,
        };
        if len == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            out.extend(rest[..len].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[len..];
        }
    }
    out
}

fn ends_in_word(text: &str) -> bool {
    // A raw string may follow a `b`, as in `br"..."`.
    text.chars().next_back().is_some_and(|c| (c.is_alphanumeric() && c != 'b') || c == '_')
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a literal that begins with `from` bytes and ends with an unescaped `quote`.
fn string(text: &str, from: usize, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text[from..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return from + at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let from = 2 + hashes;
    Some(text[from..].find(&end).map_or(text.len(), |at| from + at + end.len()))
}

/// The length of a character literal, or 0 for a lifetime.
fn char_literal(text: &str) -> usize {
    let mut chars = text[1..].chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => string(text, 1, '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}
