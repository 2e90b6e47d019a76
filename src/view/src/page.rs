//! The page around a picture: a heading, a search box, the picture, and the details of the step that is pointed at.
//!
//! One file with everything in it. Its Content-Security-Policy forbids every request, so that no browser makes one, whatever is in a label.
//! The picture is markup that needs no script: elements with `data-step` are steps, those with `data-from` and `data-to` are lines
//! between steps. The script highlights what a step needs and who needs it.

use std::fmt::Write as _;

use serde_json::json;

use crate::escape::{Markup, script_json};

/// Colours and boxes, in light and in dark.
pub(crate) const COLOURS: &str = include_str!("page/colours.css");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// A page.
pub(crate) struct Page {
    /// What it is about.
    pub title: String,
    /// One line beneath the title.
    pub summary: String,
    /// Entries of the legend: a class of the picture, and what it means.
    pub legend: Vec<(&'static str, &'static str)>,
    /// The picture, as markup.
    pub picture: String,
    /// What stands beneath the picture, as markup.
    pub below: String,
    /// The steps, by their numbers.
    pub steps: Vec<Details>,
}

/// What is told of a step that is pointed at.
pub(crate) struct Details {
    /// The number that the picture has for it.
    pub id: usize,
    /// What it is; the search looks in here.
    pub title: String,
    /// More of it: names and values.
    pub rows: Vec<(&'static str, String)>,
    /// The steps that it needs.
    pub needs: Vec<usize>,
}

impl Page {
    /// The page as HTML.
    pub fn render(&self) -> String {
        let steps = self.steps.iter().map(|step| {
            json!({ "id": step.id, "title": step.title, "rows": step.rows, "needs": step.needs })
        });
        let steps = script_json(&steps.collect());
        let mut legend = String::new();
        for (class, meaning) in &self.legend {
            let _ = write!(
                legend,
                "<span class=\"key\"><i class=\"{class}\"></i>{}</span>",
                Markup(meaning)
            );
        }
        let Self { picture, below, .. } = self;
        let (title, summary) = (Markup(&self.title), Markup(&self.summary));
        format!(
            r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{COLOURS}{STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{summary}</p>
<div class="tools">
<input id="search" type="search" placeholder="Search steps" aria-label="Search steps"><output id="found"></output>
<span class="zoom"><button id="out" title="Smaller">−</button><button id="in" title="Larger">+</button><button id="fit" title="All of it">Fit</button></span>
<span class="legend">{legend}</span>
</div>
</header>
<main>
<div id="picture">{picture}</div>
<aside id="details" aria-live="polite"><p class="hint">Point at a step to see what it is, what it needs and who needs it. A click keeps it, Escape lets it go; Enter in the search goes to the next step found.</p></aside>
</main>
{below}
<script type="application/json" id="steps">{steps}</script>
<script>
{SCRIPT}</script>
</body>
</html>
"#
        )
    }
}
