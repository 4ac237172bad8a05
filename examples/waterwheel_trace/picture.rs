//! A picture of a few turns, as SVG.
//!
//! Time goes from left to right. A wait may be a thousand times as long as everything else, so a long wait is drawn
//! shortened, with its duration.

use std::fmt::Write;

use super::trace::{Slice, Trace};

const WIDTH: f64 = 1180.0;
const MARGIN: f64 = 10.0;
const TOP: f64 = 34.0;
const ROW: f64 = 30.0;
/// The width of a shortened wait.
const CUT: f64 = 90.0;
/// The approximate width of a letter.
const LETTER: f64 = 6.3;

/// Maps times to positions in the picture.
struct Scale {
    /// Pieces of time: begin, end, left, right.
    pieces: Vec<(u64, u64, f64, f64)>,
}

impl Scale {
    /// All waits are as wide as [`CUT`]; the other pieces share the remaining width in proportion to their durations.
    fn new(turns: &[&Slice], waits: &[&Slice]) -> Scale {
        let (begin, end) = (turns[0].begin, turns[turns.len() - 1].end);
        let waited: u64 = waits.iter().map(|wait| wait.end - wait.begin).sum();
        let left = WIDTH - 2.0 * MARGIN - CUT * waits.len() as f64;
        let per_nano = left / (end - begin - waited).max(1) as f64;
        let (mut at, mut x, mut pieces) = (begin, MARGIN, Vec::new());
        let mut piece = |from: u64, to: u64, width: f64| {
            pieces.push((from, to, x, x + width));
            x += width;
        };
        for wait in waits {
            piece(at, wait.begin, (wait.begin - at) as f64 * per_nano);
            piece(wait.begin, wait.end, CUT);
            at = wait.end;
        }
        piece(at, end, (end - at) as f64 * per_nano);
        Scale { pieces }
    }

    fn x(&self, time: u64) -> f64 {
        let piece = self.pieces.iter().find(|piece| time <= piece.1 && piece.0 < piece.1);
        let &(from, to, left, right) = piece.unwrap_or_else(|| &self.pieces[self.pieces.len() - 1]);
        let share = (time.clamp(from, to) - from) as f64 / (to - from).max(1) as f64;
        left + share * (right - left)
    }
}

pub(crate) fn picture(trace: &Trace, first: usize, count: usize) -> Result<String, String> {
    let turns: Vec<usize> = trace.turns().skip(first).take(count).collect();
    let (Some(&begin), Some(&last)) = (turns.first(), turns.last()) else {
        return Err(format!("there are {} turns, of which none is the {first}th", trace.turns().count()));
    };
    let end = trace.turns().find(|&turn| turn > last).unwrap_or(trace.slices.len());
    let shown = begin..end;
    let slices = &trace.slices[shown.clone()];
    let of_turns: Vec<&Slice> = turns.iter().map(|&turn| &trace.slices[turn]).collect();
    let waits: Vec<&Slice> = slices.iter().filter(|slice| slice.depth == 1 && slice.name == "wait").collect();
    let scale = Scale::new(&of_turns, &waits);
    let depth = slices.iter().map(|slice| slice.depth).max().unwrap_or(0);
    let height = TOP + ROW * (depth as f64 + 1.0) + 40.0;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let between = trace.slices[last].end - trace.slices[begin].begin;
    text(
        &mut svg,
        MARGIN,
        20.0,
        &format!("Turns {first} to {} of {}: {}", first + turns.len() - 1, trace.program, time(between)),
    );
    for slice in slices {
        draw(&mut svg, &scale, slice);
    }
    for slice in slices {
        let Some((from, at)) = slice.queued.filter(|(from, _)| shown.contains(from)) else { continue };
        let (from, to) = (&trace.slices[from], slice);
        let (x1, y1) = (scale.x(at), bottom(from.depth));
        let (x2, y2) = (scale.x(to.begin), bottom(to.depth));
        let low = bottom(depth) + 16.0;
        writeln!(
            svg,
            "<path d=\"M{x1:.1},{y1:.1} C{x1:.1},{low:.1} {x2:.1},{low:.1} {x2:.1},{y2:.1}\" fill=\"none\" stroke=\"#555\" \
             stroke-dasharray=\"3 2\"/><circle cx=\"{x2:.1}\" cy=\"{y2:.1}\" r=\"2.5\" fill=\"#555\"/>"
        )
        .map_err(|error| error.to_string())?;
    }
    text(&mut svg, MARGIN, height - 8.0, "Dashed: from what queued a handle to where it runs. Waits are cut short.");
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn bottom(depth: usize) -> f64 {
    TOP + ROW * (depth as f64 + 1.0) - 6.0
}

fn draw(svg: &mut String, scale: &Scale, slice: &Slice) {
    let (left, right) = (scale.x(slice.begin), scale.x(slice.end));
    let width = (right - left).max(0.8);
    let (y, height) = (TOP + ROW * slice.depth as f64, ROW - 6.0);
    let color = match (slice.category.as_str(), slice.name.as_str()) {
        ("turn", "turn") => "#cfd8dc",
        ("turn", "wait") => "#eceff1",
        ("turn", "collect") => "#ffe0b2",
        ("turn", _) => "#b0bec5",
        ("task", _) => "#a5d6a7",
        ("source", _) => "#90caf9",
        ("protocol", _) => "#ce93d8",
        _ => "#fff59d",
    };
    let lasted = time(slice.end - slice.begin);
    let whole = format!("{} {lasted}", slice.name);
    let _ = writeln!(
        svg,
        "<rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" rx=\"2\" fill=\"{color}\" \
         stroke=\"#78909c\" stroke-width=\"0.5\"><title>{}</title></rect>",
        escaped(&whole)
    );
    let fits = |label: &str| label.chars().count() as f64 * LETTER + 6.0 <= width;
    let room = ((width - 6.0) / LETTER).max(0.0) as usize;
    let label = match (fits(&whole), fits(&slice.name)) {
        (true, _) => whole,
        (false, true) => slice.name.clone(),
        _ if room >= 4 => slice.name.chars().take(room - 1).chain(['…']).collect(),
        _ => return,
    };
    text(svg, left + 3.0, y + 16.0, &label);
}

fn text(svg: &mut String, x: f64, y: f64, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text));
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A time in a readable unit.
fn time(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.2} s", nanos as f64 / 1e9),
    }
}
