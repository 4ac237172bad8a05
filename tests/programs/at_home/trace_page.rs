//! The page that `waterwheel_trace` makes, in a browser: it can be zoomed and searched, and shows what the search
//! finds.

use std::process::Command;

use crate::at_home::browser::Browser;
use crate::common::files::Files;
use crate::common::processes::output_of;
use crate::servers::example;
use crate::traces::trace_of_an_echo;

#[test]
#[ignore = "needs the browser chromium and all features: .ci/run has both"]
fn the_page_of_a_trace_is_zoomed_and_searched() {
    let files = Files::new("page-of-a-trace");
    let (trace, page) = (trace_of_an_echo(&files), files.path("echo.html"));
    output_of(Command::new(example("waterwheel_trace")).args([&trace, "--page", &page]), None);
    let mut browser = Browser::start();
    let session = browser.open(&format!("file://{page}"));
    let mut of_page = |expression: &str| browser.evaluate(&session, expression);

    assert!(of_page("document.title").as_str().expect("it has one").contains(" turns in "));
    let drawn = "new Set(draw2d.getImageData(LABEL, 0, canvas.width - LABEL, canvas.height).data).size";
    assert!(of_page(drawn).as_u64() > Some(10), "it draws in many colours");
    let span = "(view.end - view.begin) / (last - first)";
    assert_eq!(of_page(span), 1.0);
    assert_eq!(of_page(&format!("byId('in').click(); {span}")), 0.5);
    let wheel = "canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: -200, clientX: 700, cancelable: true }))";
    assert!(of_page(&format!("{wheel}; {span}")).as_f64() < Some(0.3));
    assert_eq!(of_page(&format!("byId('all').click(); {span}")), 1.0);

    let search = |text: &str| {
        format!(
            "byId('search').value = '{text}'; byId('search').dispatchEvent(new Event('input')); byId('found').innerText"
        )
    };
    assert_eq!(of_page(&search("no such thing")), "0 found");
    let steps = of_page("slices.filter(slice => slice[NAME] === 'Task-2').length").as_u64().expect("a number");
    assert_eq!(of_page(&search("task-2")), format!("{steps} found"));
    assert_eq!(of_page("byId('next').click(); byId('found').innerText"), format!("1 of {steps}"));
    let details = of_page("byId('details').innerText");
    let details = details.as_str().expect("it is text");
    assert!(details.starts_with("Task-2 (task): ") && details.contains("spawned at "), "{details}");
    assert!(details.contains("queued by ") && details.contains(" for its turn"), "{details}");
    // The page zooms to the slice that it found: it shows ten times the step's length, or all of the trace if the step
    // took most of it.
    let wanted =
        "(found => Math.min(last - first, Math.max(10 * (found[END] - found[BEGIN]), 1000)))(slices[view.selected])";
    let relative = of_page(&format!("(view.end - view.begin) / {wanted}")).as_f64().expect("a number");
    assert!((0.99..1.01).contains(&relative), "{relative}");
    let is_shown = "(found => view.begin <= found[BEGIN] && found[BEGIN] < view.end)(slices[view.selected])";
    assert_eq!(of_page(is_shown), true);
    assert_eq!(of_page("byId('previous').click(); byId('found').innerText"), format!("{steps} of {steps}"));
}
