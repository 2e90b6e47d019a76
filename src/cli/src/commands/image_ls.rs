//! `stromatekt image ls`: the images of the store in docker's columns. When an image was made is told as a time and not as an age: the same
//! store gives the same list whenever it is asked.

use std::path::Path;

use serde::Serialize;
use stromatekt_engine::Engine;
use stromatekt_engine::catalog::ImageSummary;
use stromatekt_oci::Digest;
use stromatekt_oci::time::parse_rfc3339;

use crate::error::Result;
use crate::numbers::{date_time, short_bytes};
use crate::output::{print, table};

/// How many digits of an id are shown.
const SHORT: usize = 12;
const NONE: &str = "<none>";

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Show images without a name, too
    #[arg(short, long)]
    all: bool,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Print ids in full
    #[arg(long)]
    no_trunc: bool,
    /// table, or json (an object a line)
    #[arg(long, value_enum, default_value = "table", hide_possible_values = true)]
    format: Format,
}

/// How images are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Columns.
    Table,
    /// A JSON object a line.
    Json,
}

/// One line of the list: a name of an image. The keys are docker's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    #[serde(rename = "Repository")]
    repository: String,
    #[serde(rename = "Tag")]
    tag: String,
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "CreatedAt")]
    created_at: String,
    #[serde(rename = "Size")]
    size: String,
}

/// Lists.
///
/// # Errors
/// When the store cannot be read.
pub fn run(root: &Path, args: &Args) -> Result<()> {
    let images = Engine::open(root)?.images()?;
    let rows: Vec<Row> = images
        .iter()
        .filter(|image| args.all || !image.names.is_empty())
        .flat_map(|image| rows(image, args.no_trunc))
        .collect();
    print(&text(&rows, args)?)
}

fn text(rows: &[Row], args: &Args) -> Result<String> {
    if args.quiet {
        let mut ids: Vec<String> = rows.iter().map(|row| format!("{}\n", row.id)).collect();
        ids.dedup();
        return Ok(ids.concat());
    }
    Ok(match args.format {
        Format::Json => {
            let lines = rows.iter().map(serde_json::to_string);
            lines
                .map(|line| Ok(line? + "\n"))
                .collect::<serde_json::Result<String>>()
                .map_err(|error| {
                    crate::error::Error::file("write to", "standard output")(error.into())
                })?
        }
        Format::Table => {
            let heading = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"].map(str::to_owned);
            let cells = rows.iter().map(|row| {
                [
                    &row.repository,
                    &row.tag,
                    &row.id,
                    &row.created_at,
                    &row.size,
                ]
                .map(String::clone)
                .to_vec()
            });
            table(
                &std::iter::once(heading.to_vec())
                    .chain(cells)
                    .collect::<Vec<_>>(),
            )
        }
    })
}

fn rows(image: &ImageSummary, full: bool) -> Vec<Row> {
    let created = image.created.as_deref().and_then(parse_rfc3339);
    let row = |repository: String, tag: &str| Row {
        repository,
        tag: tag.to_owned(),
        id: shown(&image.id, full),
        created_at: created.map_or("N/A".to_owned(), date_time),
        size: short_bytes(image.size),
    };
    match image.names.as_slice() {
        [] => vec![row(NONE.to_owned(), NONE)],
        names => names
            .iter()
            .map(|name| row(name.familiar_name(), name.tag().unwrap_or(NONE)))
            .collect(),
    }
}

fn shown(id: &Digest, full: bool) -> String {
    match full {
        true => id.to_string(),
        false => id.hex().chars().take(SHORT).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn args(quiet: bool, no_trunc: bool, format: Format) -> Args {
        Args {
            all: false,
            quiet,
            no_trunc,
            format,
        }
    }

    #[test]
    fn the_list_looks_like_dockers() {
        let image = ImageSummary {
            id: Digest::of("id"),
            names: vec![
                "busybox".parse().unwrap(),
                "example.org/team/app:3".parse().unwrap(),
            ],
            created: Some("2023-11-01T00:00:00Z".into()),
            stored: SystemTime::UNIX_EPOCH,
            size: 4_261_550,
        };
        let unnamed = ImageSummary {
            names: Vec::new(),
            created: None,
            ..image.clone()
        };
        let mut all = rows(&image, false);
        all.extend(rows(&unnamed, false));
        insta::assert_snapshot!(text(&all, &args(false, false, Format::Table)).unwrap(), @r"
        REPOSITORY             TAG      IMAGE ID       CREATED               SIZE
        busybox                latest   a56145270ce6   2023-11-01 00:00:00   4.26MB
        example.org/team/app   3        a56145270ce6   2023-11-01 00:00:00   4.26MB
        <none>                 <none>   a56145270ce6   N/A                   4.26MB
        ");
        insta::assert_snapshot!(text(&all[..1], &args(false, false, Format::Json)).unwrap(), @r#"{"Repository":"busybox","Tag":"latest","ID":"a56145270ce6","CreatedAt":"2023-11-01 00:00:00","Size":"4.26MB"}"#);
        assert_eq!(
            text(&all, &args(true, false, Format::Table))
                .unwrap()
                .lines()
                .count(),
            1
        );
        let full = rows(&image, true);
        assert_eq!(full[0].id, Digest::of("id").to_string());
    }
}
