//! The part of JSON that a trace needs: escaped strings.

use std::fmt;

/// A value displayed as a JSON string, with its quotes.
pub(super) struct Quoted<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Quoted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        fmt::write(&mut Escaping(f), format_args!("{}", self.0))?;
        f.write_str("\"")
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut written = 0;
        for (at, c) in text.char_indices().filter(|&(_, c)| c == '"' || c == '\\' || c < ' ') {
            self.0.write_str(&text[written..at])?;
            match c {
                '"' | '\\' => write!(self.0, "\\{c}")?,
                _ => write!(self.0, "\\u{:04x}", u32::from(c))?,
            }
            written = at + 1;
        }
        self.0.write_str(&text[written..])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_backslashes_and_control_characters_are_escaped() {
        assert_eq!(Quoted("a\"b\\c\n\0ü𝄞").to_string(), r#""a\"b\\c\u000a\u0000ü𝄞""#);
    }

    proptest! {
        #[test]
        fn any_string_comes_back_from_a_parser(text: String) {
            let quoted = Quoted(&text).to_string();
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).expect("it is JSON"), text);
        }
    }
}
