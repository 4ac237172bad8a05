//! The limits, and the verdicts on figures that are compared with them.

use std::collections::BTreeMap;

use crate::Figure;

/// A figure below this share of its limit deserves a lower limit.
const FAR_BELOW: f64 = 0.95;

/// Upper limits by section and key, as `section.key`.
#[derive(Debug)]
pub struct Limits(BTreeMap<String, f64>);

/// The verdict on one figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    Within,
    /// So far below that the limit no longer catches anything.
    FarBelow,
    Over,
    /// There is no such limit.
    Unlimited,
}

impl Limits {
    /// Reads sections and numbers: as much of TOML as `limits.toml` needs.
    ///
    /// # Panics
    ///
    /// Panics if the text contains anything else, or a key twice.
    pub fn parse(text: &str) -> Limits {
        let mut limits = BTreeMap::new();
        let mut section = "";
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
            } else if !line.is_empty() {
                let (key, number) = line.split_once('=').unwrap_or_else(|| panic!("neither section nor limit: {line}"));
                let name = format!("{section}.{}", key.trim());
                let number = number.trim().parse().unwrap_or_else(|_| panic!("not a number: {line}"));
                let former = limits.insert(name, number);
                assert!(former.is_none(), "twice: {line}");
            }
        }
        Limits(limits)
    }

    /// Compares a figure with its limit, and removes the limit. The remaining limits are those without a figure.
    pub fn judge(&mut self, (name, measured): &Figure) -> (Verdict, Option<f64>) {
        let Some(limit) = self.0.remove(name) else { return (Verdict::Unlimited, None) };
        let verdict = match *measured {
            // A figure that is not a number is over its limit, too.
            measured if measured.is_nan() || measured > limit => Verdict::Over,
            measured if measured < FAR_BELOW * limit => Verdict::FarBelow,
            _ => Verdict::Within,
        };
        (verdict, Some(limit))
    }

    /// The limits for which there was no figure.
    pub fn left(self) -> Vec<String> {
        self.0.into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Verdict};

    #[test]
    fn a_figure_is_held_against_the_limit_of_its_name() {
        let mut limits = Limits::parse("# what\n[a]\nx = 100 # why\ny = 0\n\n[b]\nx = 2.04\nleft = 1\n");
        for (name, measured, expected) in [
            ("a.x", 100.0, Verdict::Within),
            ("a.y", 0.0, Verdict::Within),
            ("b.x", 2.05, Verdict::Over),
            ("c.x", 1.0, Verdict::Unlimited),
        ] {
            assert_eq!(limits.judge(&(name.to_owned(), measured)).0, expected, "{name}");
        }
        assert_eq!(limits.left(), ["b.left"]);
    }

    #[test]
    fn a_figure_is_over_just_above_its_limit_and_far_below_at_less_than_95_in_a_hundred() {
        for (measured, expected) in
            [(100.01, Verdict::Over), (f64::NAN, Verdict::Over), (95.0, Verdict::Within), (94.9, Verdict::FarBelow)]
        {
            let verdict = Limits::parse("[a]\nx = 100").judge(&("a.x".to_owned(), measured));
            assert_eq!(verdict, (expected, Some(100.0)), "{measured}");
        }
    }

    #[test]
    #[should_panic(expected = "twice: x = 2")]
    fn a_limit_stands_once() {
        Limits::parse("[a]\nx = 1\nx = 2\n");
    }
}
