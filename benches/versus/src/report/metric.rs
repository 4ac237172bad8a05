//! What is measured, in which unit, and which differences are significant.

/// The name of a figure, and how to read it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) better: Better,
    /// The share by which two figures may differ without significance.
    pub(crate) tolerance: f64,
    pub(crate) shown: Shown,
    digits: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Better {
    Lower,
    Higher,
    /// Neither: the figure explains other figures.
    Neither,
}

/// How a table shows a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Shown {
    /// As a multiple of the baseline's figure.
    Ratio,
    AsIs,
}

const TIMED: Metric = Metric { name: "", better: Better::Lower, tolerance: 0.1, shown: Shown::Ratio, digits: 0 };
const COUNTED: Metric = Metric { name: "", better: Better::Lower, tolerance: 0.03, shown: Shown::AsIs, digits: 0 };

pub(crate) const RATE: Metric = Metric { name: "messages/s", better: Better::Higher, ..TIMED };
pub(crate) const CPU: Metric = Metric { name: "ns of server CPU/message", ..TIMED };
/// How busy a server was. A server that had to wait did not limit the messages per second.
pub(crate) const BUSY: Metric =
    Metric { name: "% of the time that the server was busy", better: Better::Neither, shown: Shown::AsIs, ..TIMED };
/// In per cent. If a server was less busy than this, the load or the path between the two was slower.
pub(crate) const LIMITING: f64 = 90.0;
/// The 99th percentile says more about the machine than the other figures do.
pub(crate) const SLOWEST: Metric =
    Metric { name: "us to answer, 99th percentile", tolerance: 0.25, digits: 1, ..TIMED };

pub(crate) const INSTRUCTIONS: Metric = Metric { name: "user instructions/message", ..COUNTED };
pub(crate) const ALLOCATIONS: Metric = Metric { name: "allocations/message", digits: 2, ..COUNTED };
pub(crate) const SYSTEM_CALLS: Metric = Metric { name: "system calls/message", digits: 2, ..COUNTED };

pub(crate) const IDLE: Metric = Metric { name: "bytes/connection", tolerance: 0.1, ..COUNTED };
pub(crate) const RESIDENT: Metric = Metric { name: "KiB resident at start", tolerance: 0.1, ..COUNTED };
pub(crate) const THREADS: Metric = Metric { name: "threads", ..COUNTED };

pub(crate) const TIME: Metric = Metric { name: "ns", digits: 1, ..TIMED };
pub(crate) const BUILD: Metric = Metric { name: "s to build", digits: 1, shown: Shown::AsIs, ..TIMED };
pub(crate) const BUILD_CPU: Metric = Metric { name: "CPU s to build", ..BUILD };
pub(crate) const CRATES: Metric = Metric { name: "crates", ..COUNTED };
pub(crate) const SIZE: Metric = Metric { name: "KiB, stripped", ..COUNTED };

impl Metric {
    pub(crate) fn text(&self, value: f64) -> String {
        // A small fraction of a large unit must still be visible.
        let digits = if value < 10.0 && self.digits == 0 && value.fract() != 0.0 { 1 } else { self.digits };
        group(&format!("{value:.digits$}"))
    }

    /// Whether a ratio to another peer's figure means that the other peer is better.
    pub(crate) fn is_behind(&self, ratio: f64) -> bool {
        match self.better {
            Better::Lower => ratio > 1.0 + self.tolerance,
            Better::Higher => ratio < 1.0 / (1.0 + self.tolerance),
            Better::Neither => false,
        }
    }
}

/// Adds commas between thousands.
fn group(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let left = whole.len() - place;
        if place > 0 && left % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(CPU.text(1_234_567.0), "1,234,567");
        assert_eq!(CPU.text(123.4), "123");
        assert_eq!(SYSTEM_CALLS.text(2.034), "2.03");
        assert_eq!(CPU.text(0.25), "0.2");
    }
}
