//! Finds the paths that a source file names, in imports and elsewhere, each from the root of the crate.

use crate::source_tree::SourceFile;

/// A path that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// From the root of the crate. A path that begins with any other name is assumed to begin in the file's own
    /// module, and need not lead anywhere.
    pub(crate) segments: Vec<String>,
    /// Whether the path began with `crate`, or with enough `super` to be sure where it begins.
    pub(crate) is_absolute: bool,
    /// The name that an import gives it in the file. `None` for a path that is not an import.
    pub(crate) known_as: Option<String>,
    /// Whether the import is public.
    pub(crate) is_reexport: bool,
    pub(crate) line: usize,
}

/// The path of a file's module: `net/server/mod.rs` is `["net", "server"]`, `lib.rs` the root.
pub(crate) fn module_of(path: &str) -> Vec<String> {
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
    if module == "lib" { Vec::new() } else { module.split('/').map(str::to_owned).collect() }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Sep,
    Sign(char),
}

fn tokens(code: &str) -> Vec<(Token, usize)> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let at = code.len() - rest.len();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let len = if is_word(c) {
            let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push((Token::Word(rest[..len].to_owned()), at));
            len
        } else if rest.starts_with("::") {
            tokens.push((Token::Sep, at));
            2
        } else {
            if !c.is_whitespace() {
                tokens.push((Token::Sign(c), at));
            }
            c.len_utf8()
        };
        rest = &rest[len..];
    }
    tokens
}

/// Every path that a file names.
pub(crate) fn paths_of(file: &SourceFile) -> Vec<Named> {
    let code = file.code();
    let tokens = tokens(&code);
    let mut reader = Reader { code: &code, module: module_of(&file.path), tokens: &tokens, at: 0, found: Vec::new() };
    while reader.at < tokens.len() {
        reader.read_one();
    }
    reader.found
}

struct Reader<'c> {
    code: &'c str,
    module: Vec<String>,
    tokens: &'c [(Token, usize)],
    at: usize,
    found: Vec<Named>,
}

impl Reader<'_> {
    fn token(&self, at: usize) -> Option<&Token> {
        self.tokens.get(at).map(|(token, _)| token)
    }

    fn is_sign(&self, at: usize, sign: char) -> bool {
        self.token(at) == Some(&Token::Sign(sign))
    }

    fn word(&self, at: usize) -> Option<&str> {
        match self.token(at) {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn read_one(&mut self) {
        let follows_a_path = self.at > 0 && self.token(self.at - 1) == Some(&Token::Sep);
        match self.word(self.at) {
            // `impl use<'a>` is no import.
            Some("use") if !self.is_sign(self.at + 1, '<') => {
                let is_public = self.is_public(self.at);
                self.at += 1;
                self.tree(Vec::new(), is_public);
            }
            Some(_) if !follows_a_path && self.token(self.at + 1) == Some(&Token::Sep) => {
                let from = self.at;
                let mut segments = Vec::new();
                while let Some(word) = self.word(self.at).map(str::to_owned) {
                    segments.push(word);
                    self.at += 1;
                    if self.token(self.at) != Some(&Token::Sep) {
                        break;
                    }
                    self.at += 1;
                }
                self.push(segments, None, false, from);
            }
            _ => self.at += 1,
        }
    }

    /// Whether `pub` or `pub(…)` precedes a token.
    fn is_public(&self, at: usize) -> bool {
        let Some(mut before) = at.checked_sub(1) else { return false };
        if self.is_sign(before, ')') {
            while before > 0 && !self.is_sign(before, '(') {
                before -= 1;
            }
            before = before.saturating_sub(1);
        }
        self.word(before) == Some("pub")
    }

    /// Reads the contents of an import: a path, or several in braces.
    fn tree(&mut self, mut segments: Vec<String>, is_public: bool) {
        let from = self.at;
        loop {
            if self.is_sign(self.at, '{') {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is_sign(self.at, '}') {
                    self.tree(segments.clone(), is_public);
                    if self.is_sign(self.at, ',') {
                        self.at += 1;
                    }
                }
                self.at += 1;
                return;
            }
            let word = if self.is_sign(self.at, '*') { "*" } else { self.word(self.at).unwrap_or_default() };
            if word != "self" || segments.is_empty() {
                segments.push(word.to_owned());
            }
            self.at += 1;
            if self.token(self.at) != Some(&Token::Sep) {
                break;
            }
            self.at += 1;
        }
        let mut name = segments.last().cloned();
        if self.word(self.at) == Some("as") {
            name = self.word(self.at + 1).map(str::to_owned);
            self.at += 2;
        }
        self.push(segments, name, is_public, from);
    }

    fn push(&mut self, segments: Vec<String>, known_as: Option<String>, is_reexport: bool, from: usize) {
        let line = SourceFile::line_of(self.code, self.tokens[from].1);
        let mut path = self.module.clone();
        let mut is_absolute = false;
        let mut rest = segments.as_slice();
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "crate" => path.clear(),
                "super" => drop(path.pop()),
                "self" => {}
                _ => break,
            }
            is_absolute |= path.is_empty();
            rest = after;
        }
        path.extend_from_slice(rest);
        self.found.push(Named { segments: path, is_absolute, known_as, is_reexport, line });
    }
}
