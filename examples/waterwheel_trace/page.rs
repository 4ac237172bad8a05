//! The page: a single file that contains the trace, and needs no network.

use serde_json::json;

use super::trace::Trace;

const PAGE: &str = include_str!("page.html");

/// The place of the trace in the page.
const PLACE: &str = "/* the trace */ null";

pub(crate) fn page(trace: &Trace) -> Result<String, String> {
    let slices: Vec<_> = trace
        .slices
        .iter()
        .map(|slice| {
            json!([
                slice.name,
                slice.category,
                slice.detail,
                slice.depth,
                slice.begin,
                slice.end,
                slice.queued.map(|(from, at)| [from as u64, at]),
            ])
        })
        .collect();
    let data = json!({
        "program": trace.program,
        "dropped": trace.dropped,
        "slices": slices,
        "counters": trace.counters,
    });
    // A name in the trace may contain anything, even the end tag of a script.
    let data = data.to_string().replace('<', "\\u003c");
    if !PAGE.contains(PLACE) {
        return Err("the page has no place for the trace".to_owned());
    }
    Ok(PAGE.replacen(PLACE, &data, 1))
}
