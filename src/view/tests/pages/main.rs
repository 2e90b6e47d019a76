//! The pages in a real browser: they render, tell of a step that is pointed at, and ask for nothing.

mod browser;
mod sample;

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::browser::Browser;

/// A page in a file of its own.
fn page(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("there is room for a temporary directory");
    let file = directory.path().join("page.html");
    fs::write(&file, text).expect("it can be written");
    (directory, file)
}

/// What every page has to do; `step` is what a step is called.
fn check(text: &str, step: &str) {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_directory, file) = page(text);
    browser.appearance(1280, 900, "light");
    browser.open(&file);
    let title = browser.evaluate("document.querySelector('h1').textContent");
    assert!(
        title
            .as_str()
            .is_some_and(|title| title.ends_with("pipeline.yaml <&>")),
        "{title}"
    );
    let boxes = browser.evaluate("document.querySelectorAll('#picture [data-step]').length");
    assert!(boxes.as_u64() >= Some(80), "{boxes} steps are shown");

    let find = format!(
        "[...document.querySelectorAll('#picture [data-step]')].find((box) => box.textContent.includes({step:?})).dataset.step"
    );
    let id = browser.evaluate(&find);
    let selector = format!(
        "#picture [data-step=\"{}\"]",
        id.as_str().unwrap_or_default()
    );
    browser.point_at(&selector);
    let told = browser.evaluate("document.getElementById('details').textContent");
    let told = told.as_str().unwrap_or_default();
    assert!(
        told.contains(step) && told.contains("pipeline.yaml:"),
        "{told}"
    );
    for class in ["chosen", "needs", "users", "away"] {
        let count = browser.evaluate(&format!(
            "document.querySelectorAll('#picture [data-step].{class}').length"
        ));
        assert!(count.as_u64() > Some(0), "no step is {class}");
    }
    browser.point_at("h1");
    let hint = browser.evaluate("document.getElementById('details').textContent");
    assert!(!hint.as_str().unwrap_or_default().contains(step), "{hint}");

    browser.evaluate("document.getElementById('search').focus()");
    browser.type_text("part-3 make");
    let found = browser.evaluate("document.getElementById('found').textContent");
    assert!(
        found
            .as_str()
            .is_some_and(|found| found.contains(" of ") && !found.starts_with("0 ")),
        "{found}"
    );
    browser.press("Enter");
    let told = browser.evaluate("document.getElementById('details').textContent");
    assert!(
        told.as_str().is_some_and(|told| told.contains("[part-3")),
        "{told}"
    );
    browser.press("Escape");
    let chosen = browser.evaluate("document.querySelectorAll('.chosen').length");
    assert_eq!(chosen, 0, "Escape lets go");

    let light = browser.screenshot();
    browser.appearance(1280, 900, "dark");
    assert_ne!(light, browser.screenshot(), "dark looks like light");
    assert_eq!(browser.requests(&file), Vec::<String>::new());
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn the_page_of_a_plan_is_alive() {
    check(
        &stromatekt_view::plan::page::render(&sample::plan()),
        "[part-4 4/8]",
    );
}

#[test]
fn the_page_of_a_timeline_is_alive() {
    check(
        &stromatekt_view::timeline::page::render(&sample::timeline(false)),
        "[part-4 4/8]",
    );
}

#[test]
fn graphviz_draws_the_plan() {
    let drawn = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut drawn = match drawn {
        Ok(drawn) => drawn,
        Err(error) => {
            assert!(
                env::var_os(browser::REQUIRED).is_none(),
                "dot cannot be started: {error} (make setup installs it)"
            );
            let _ = writeln!(std::io::stderr(), "skipped: Graphviz is not installed");
            return;
        }
    };
    let text = stromatekt_view::plan::dot::render(&sample::plan());
    let mut input = drawn.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("dot reads");
    drop(input);
    let output = drawn.wait_with_output().expect("dot ends");
    let svg = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let boxes = svg.matches("class=\"node\"").count();
    assert_eq!(boxes, 90, "{svg}");
}
