//! The figures as pictures: bars, of which shorter is better, side by side for several scenarios.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::metric::{self, Metric, Shown};
use super::{Report, distinct, is_ours};
use crate::servers::BASELINE;

/// One file, with figures of one kind.
struct Plot {
    file: &'static str,
    title: &'static str,
    part: &'static str,
    metric: Metric,
    /// The label of a bar. A bar's length is always relative to the baseline's.
    label: Shown,
}

const PLOTS: &[Plot] = &[
    Plot {
        file: "cpu.svg",
        title: "Server CPU per message, as a multiple of tokio's",
        part: "net",
        metric: metric::CPU,
        label: Shown::Ratio,
    },
    Plot {
        file: "calls.svg",
        title: "System calls per message",
        part: "counts",
        metric: metric::SYSTEM_CALLS,
        label: Shown::AsIs,
    },
    Plot {
        file: "instructions.svg",
        title: "User-space instructions per message",
        part: "counts",
        metric: metric::INSTRUCTIONS,
        label: Shown::AsIs,
    },
    Plot {
        file: "idle.svg",
        title: "Memory of an idle connection, in bytes",
        part: "idle",
        metric: metric::IDLE,
        label: Shown::AsIs,
    },
    Plot {
        file: "growth.svg",
        title: "Server CPU per message with more and more connections, in ns",
        part: "growth",
        metric: metric::CPU,
        label: Shown::AsIs,
    },
    Plot {
        file: "tasks.svg",
        title: "Tasks and timers: time of each, as a multiple of tokio's",
        part: "tasks",
        metric: metric::TIME,
        label: Shown::Ratio,
    },
    Plot {
        file: "http-cpu.svg",
        title: "hyper: server CPU per request, as a multiple of that on tokio",
        part: "http",
        metric: metric::CPU,
        label: Shown::Ratio,
    },
    Plot {
        file: "http-instructions.svg",
        title: "hyper: user-space instructions per request",
        part: "http",
        metric: metric::INSTRUCTIONS,
        label: Shown::AsIs,
    },
    Plot {
        file: "http-calls.svg",
        title: "hyper: system calls per request",
        part: "http",
        metric: metric::SYSTEM_CALLS,
        label: Shown::AsIs,
    },
];

const WIDTH: i32 = 960;
const PANEL_WIDTH: i32 = WIDTH / 3;
const ROW: i32 = 16;
const LABEL: i32 = 120;
const HEADING: i32 = 36;
/// A bar is cut off at this multiple of the baseline's, since a few very long bars would hide all differences among
/// the rest.
const CUT: f64 = 3.0;

const OURS: RGBColor = RGBColor(0, 110, 160);
const THEIRS: RGBColor = RGBColor(190, 190, 190);
const MARK: RGBColor = RGBColor(200, 60, 40);

struct Bar<'a> {
    who: &'a str,
    length: f64,
    label: String,
}

/// Draws every plot for which there are figures. Returns the files and their titles.
pub(super) fn draw(report: &Report, directory: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut drawn = Vec::new();
    for plot in PLOTS {
        let panels = report.panels(plot);
        if panels.is_empty() {
            continue;
        }
        draw_panels(&directory.join(plot.file), plot.title, &panels)?;
        drawn.push((plot.file.to_owned(), plot.title.to_owned()));
    }
    Ok(drawn)
}

impl Report {
    /// One panel for each scenario, with one bar for each candidate.
    fn panels(&self, plot: &Plot) -> Vec<(&str, Vec<Bar<'_>>)> {
        let of_it: Vec<_> = self
            .series
            .iter()
            .filter(|series| series.part == plot.part && series.metric.name == plot.metric.name)
            .collect();
        let bars = |scenario| {
            let of_scenario = of_it.iter().filter(|series| series.scenario == scenario);
            of_scenario
                .filter_map(|series| {
                    let length = self.ratio(series, BASELINE)?.median;
                    let label = match plot.label {
                        Shown::Ratio => format!("{length:.2}"),
                        Shown::AsIs => series.metric.text(series.median()),
                    };
                    Some(Bar { who: &series.who, length, label })
                })
                .collect()
        };
        distinct(of_it.iter().map(|series| series.scenario.as_str()))
            .into_iter()
            .map(|scenario| (scenario, bars(scenario)))
            .collect()
    }
}

fn draw_panels(file: &Path, title: &str, panels: &[(&str, Vec<Bar<'_>>)]) -> Result<(), Box<dyn Error>> {
    let most = panels.iter().map(|(_, bars)| bars.len()).max().unwrap_or(0) as i32;
    let panel_height = HEADING + most * ROW + 10;
    let rows = (panels.len() as i32 + 2) / 3;
    let size = (WIDTH as u32, (HEADING + rows * panel_height) as u32);
    let area = SVGBackend::new(file, size).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    area.draw(&Text::new(title, (10, 10), text(18)))?;
    for (number, (scenario, bars)) in (0..).zip(panels) {
        let left = number % 3 * PANEL_WIDTH + 10;
        let top = HEADING + number / 3 * panel_height;
        area.draw(&Text::new(*scenario, (left, top + 10), text(13)))?;
        let zero = left + LABEL;
        let scale = f64::from(PANEL_WIDTH - LABEL - 65) / CUT;
        let place = |length: f64| zero + (length.min(CUT) * scale) as i32;
        for (row, bar) in (0..).zip(bars) {
            let (upper, lower) = (top + HEADING + row * ROW, top + HEADING + row * ROW + ROW - 4);
            let colour = if is_ours(bar.who) { OURS } else { THEIRS };
            let right = Pos::new(HPos::Right, VPos::Center);
            area.draw(&Text::new(bar.who, (zero - 4, upper + 6), text(11).pos(right)))?;
            area.draw(&Rectangle::new([(zero, upper), (place(bar.length), lower)], colour.filled()))?;
            let cut = if bar.length > CUT { " >" } else { "" };
            let beside = Pos::new(HPos::Left, VPos::Center);
            area.draw(&Text::new(
                format!("{}{cut}", bar.label),
                (place(bar.length) + 4, upper + 6),
                text(11).pos(beside),
            ))?;
        }
        let bottom = top + HEADING + bars.len() as i32 * ROW;
        area.draw(&PathElement::new([(place(1.0), top + HEADING - 4), (place(1.0), bottom)], MARK))?;
    }
    area.present()?;
    Ok(())
}
