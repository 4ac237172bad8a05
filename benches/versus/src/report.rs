//! The figures as Markdown, printed as they come, and as JSON.

use std::fmt::Write;

/// One figure, and how it is printed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell {
    Whole(f64),
    Tenth(f64),
    Ratio(f64),
}

#[derive(Default)]
pub(crate) struct Report {
    columns: Vec<&'static str>,
    table: &'static str,
    rows: Vec<String>,
}

impl Report {
    /// Begins a table.
    pub(crate) fn begin(&mut self, table: &'static str, columns: &[&'static str]) {
        self.table = table;
        self.columns = columns.to_vec();
        println!("\n## {table}\n\n| scenario | who | {} |", columns.join(" | "));
        println!("|---|---|{}", "--:|".repeat(columns.len()));
    }

    pub(crate) fn row(&mut self, scenario: &str, who: &str, cells: &[Cell]) {
        let mut line = format!("| {scenario} | {who} |");
        let mut json = format!(r#"{{"table": "{}", "scenario": "{scenario}", "who": "{who}""#, self.table);
        for (number, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            let (text, value) = match *cell {
                Cell::Whole(value) => (format!("{value:.0}"), value),
                Cell::Tenth(value) => (format!("{value:.1}"), value),
                Cell::Ratio(value) => (format!("{value:.2}"), value),
            };
            write!(line, " {text} |").expect("a string takes text");
            // Two columns of a table may have one title, and names in an object must differ.
            write!(json, r#", "{column} ({})": {value:.4}"#, number + 1).expect("a string takes text");
        }
        println!("{line}");
        self.rows.push(json + "}");
    }

    pub(crate) fn json(&self) -> String {
        format!("[\n  {}\n]\n", self.rows.join(",\n  "))
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
