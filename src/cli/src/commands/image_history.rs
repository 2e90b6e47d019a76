//! `stromatekt image history`: how an image was made, the newest step first, in docker's columns. Times are told, not ages, as `image ls` does.

use std::path::Path;

use serde::Serialize;
use stromatekt_engine::Engine;
use stromatekt_engine::catalog::ImageDetails;
use stromatekt_oci::time::parse_rfc3339;

use crate::error::Result;
use crate::format::{Format, lines};
use crate::numbers::{date_time, short_bytes};
use crate::output::{print, table};
use crate::unsupported::{Foreign, Unsupported, Verb, valued};

/// How many characters of a step are shown.
const SHORT: usize = 45;
/// How many of an id.
const SHORT_ID: usize = 12;

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Name or id of an image
    image: String,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Print ids and steps in full
    #[arg(long)]
    no_trunc: bool,
    /// Sizes as 1.2MB, or in bytes
    #[arg(short = 'H', long, action = clap::ArgAction::Set, value_parser = crate::options::go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", hide_default_value = true)]
    human: bool,
    /// table, json (an object a line), or a Go template for each line
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = Format::parse, hide_default_value = true)]
    format: Format,
    /// What docker has and this has not.
    #[command(flatten)]
    unsupported: Unsupported<History>,
}

/// The verb.
#[derive(Clone, Debug, Default)]
struct History;

impl Verb for History {
    const FOREIGN: &'static [Foreign] = &[valued(
        "platform",
        "an image of the store is for one platform: leave it out",
    )];
}

/// One line: a step. The keys are docker's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    #[serde(rename = "Comment")]
    comment: String,
    #[serde(rename = "CreatedAt")]
    created_at: String,
    #[serde(rename = "CreatedBy")]
    created_by: String,
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Size")]
    size: String,
}

/// Shows it.
///
/// # Errors
/// When there is no such image.
pub fn run(root: &Path, args: &Args) -> Result<()> {
    args.unsupported.refuse()?;
    let details = Engine::open(root)?.inspect(&args.image)?;
    print(&text(&rows(&details, args), args)?)
}

fn text(rows: &[Row], args: &Args) -> Result<String> {
    if args.quiet {
        return Ok(rows.iter().map(|row| format!("{}\n", row.id)).collect());
    }
    if let Format::Lines(template) = &args.format {
        return lines(template, rows);
    }
    let heading = ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"].map(str::to_owned);
    let cells = rows.iter().map(|row| {
        [
            &row.id,
            &row.created_at,
            &row.created_by,
            &row.size,
            &row.comment,
        ]
        .map(String::clone)
        .to_vec()
    });
    let all: Vec<_> = std::iter::once(heading.to_vec()).chain(cells).collect();
    Ok(table(&all))
}

fn rows(image: &ImageDetails, args: &Args) -> Vec<Row> {
    let mut sizes = image.layer_sizes.iter();
    let mut rows: Vec<Row> = image
        .history
        .iter()
        .map(|step| {
            let size = match step.empty_layer {
                true => 0,
                false => sizes.next().copied().unwrap_or(0),
            };
            let created = step.created.as_deref().and_then(parse_rfc3339);
            Row {
                comment: step.comment.clone(),
                created_at: created.map_or("N/A".to_owned(), date_time),
                created_by: match args.no_trunc {
                    true => step.created_by.clone(),
                    false => shortened(&step.created_by),
                },
                id: "<missing>".to_owned(),
                size: match args.human {
                    true => short_bytes(size),
                    false => size.to_string(),
                },
            }
        })
        .collect();
    rows.reverse();
    if let Some(first) = rows.first_mut() {
        first.id = match args.no_trunc {
            true => image.id.to_string(),
            false => image.id.hex().chars().take(SHORT_ID).collect(),
        };
    }
    rows
}

/// On one line, and not longer than a line.
fn shortened(text: &str) -> String {
    let line = text.replace(['\n', '\t'], " ");
    match line.chars().count() > SHORT {
        true => line.chars().take(SHORT - 1).chain(['…']).collect(),
        false => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_steps_are_shortened() {
        assert_eq!(shortened("RUN a\n b"), "RUN a  b");
        let short = shortened(&"x".repeat(100));
        assert_eq!(short.chars().count(), SHORT);
        assert!(short.ends_with('…'));
    }
}
