//! `stromatekt image ls`: the images of the store in docker's columns. When an image was made is told as a time and not as an age: the same
//! store gives the same list whenever it is asked.

use std::path::Path;

use serde::Serialize;
use stromatekt_engine::Engine;
use stromatekt_engine::catalog::ImageSummary;
use stromatekt_oci::Digest;
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::time::parse_rfc3339;

use crate::error::Result;
use crate::format::{Format, lines};
use crate::numbers::{date_time, short_bytes};
use crate::options::go_bool;
use crate::output::{print, table};
use crate::unsupported::{Foreign, OFF, Unsupported, Verb, switch};

/// How many digits of an id are shown.
const SHORT: usize = 12;
const NONE: &str = "<none>";

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Show the images with this name alone
    #[arg(value_name = "NAME[:TAG]", value_parser = reference)]
    name: Option<Filter>,
    /// Show images without a name, too
    #[arg(short, long)]
    all: bool,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Print ids in full
    #[arg(long)]
    no_trunc: bool,
    /// Show some alone: dangling=true|false, reference=NAME[:TAG]
    #[arg(short, long = "filter", value_name = "FILTER", value_parser = filter)]
    filters: Vec<Filter>,
    /// table, json (an object a line), or a Go template for each line
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = Format::parse, hide_default_value = true)]
    format: Format,
    /// What docker has and this has not.
    #[command(flatten)]
    unsupported: Unsupported<Ls>,
}

/// The verb.
#[derive(Clone, Debug, Default)]
struct Ls;

impl Verb for Ls {
    const FOREIGN: &'static [Foreign] = &[
        switch(
            "digests",
            OFF,
            "`image inspect` shows the digests of an image",
        ),
        switch("tree", OFF, "`image inspect` shows the images of an index"),
    ];
}

/// Which images are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Filter {
    /// Those without a name, or those with one.
    Dangling(bool),
    /// Those with this name.
    Reference(ImageReference, bool),
}

fn filter(text: &str) -> Result<Filter, String> {
    match text.split_once('=') {
        Some(("dangling", value)) => go_bool(value).map(Filter::Dangling),
        Some(("reference", name)) => reference(name),
        _ => Err("images are filtered by dangling=true|false and reference=NAME[:TAG]".to_owned()),
    }
}

fn reference(text: &str) -> Result<Filter, String> {
    let name = text
        .parse()
        .map_err(|error: stromatekt_oci::Error| error.to_string())?;
    let last = text.rsplit('/').next().unwrap_or(text);
    Ok(Filter::Reference(name, last.contains(':')))
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
    args.unsupported.refuse()?;
    let images = Engine::open(root)?.images()?;
    let filters: Vec<&Filter> = args.filters.iter().chain(&args.name).collect();
    let rows: Vec<Row> = images
        .into_iter()
        .filter_map(|image| chosen(image, &filters, args.all))
        .flat_map(|image| rows(&image, args.no_trunc))
        .collect();
    print(&text(&rows, args)?)
}

/// The image with those of its names that are shown, if it is.
fn chosen(mut image: ImageSummary, filters: &[&Filter], all: bool) -> Option<ImageSummary> {
    let asked = filters
        .iter()
        .any(|filter| **filter == Filter::Dangling(true));
    if image.names.is_empty() && !all && !asked {
        return None;
    }
    for filter in filters {
        match filter {
            Filter::Dangling(dangling) if *dangling != image.names.is_empty() => return None,
            Filter::Dangling(_) => {}
            Filter::Reference(wanted, tagged) => {
                image.names.retain(|name| {
                    name.familiar_name() == wanted.familiar_name()
                        && (!tagged || name.tag() == wanted.tag())
                });
                if image.names.is_empty() {
                    return None;
                }
            }
        }
    }
    Some(image)
}

fn text(rows: &[Row], args: &Args) -> Result<String> {
    if args.quiet {
        let mut ids: Vec<String> = rows.iter().map(|row| format!("{}\n", row.id)).collect();
        ids.dedup();
        return Ok(ids.concat());
    }
    Ok(match &args.format {
        Format::Lines(template) => lines(template, rows)?,
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
            name: None,
            filters: Vec::new(),
            unsupported: Unsupported::default(),
            all: false,
            quiet,
            no_trunc,
            format,
        }
    }

    #[test]
    fn images_are_chosen_by_name() {
        let image = ImageSummary {
            id: Digest::of("id"),
            names: ["busybox", "busybox:2", "example.org/a:3"]
                .map(|name| name.parse().unwrap())
                .into(),
            created: None,
            stored: SystemTime::UNIX_EPOCH,
            size: 1,
        };
        let count = |filters: &[&str]| {
            let filters: Vec<Filter> = filters.iter().map(|text| filter(text).unwrap()).collect();
            chosen(image.clone(), &filters.iter().collect::<Vec<_>>(), false)
                .map_or(0, |image| image.names.len())
        };
        assert_eq!(count(&[]), 3);
        assert_eq!(count(&["reference=busybox"]), 2);
        assert_eq!(count(&["reference=docker.io/library/busybox:2"]), 1);
        assert_eq!(count(&["reference=example.org/a", "dangling=0"]), 1);
        assert_eq!(count(&["reference=nope"]), 0);
        assert_eq!(count(&["dangling=true"]), 0);
        assert!(filter("label=x").is_err() && filter("dangling=x").is_err());
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
        insta::assert_snapshot!(text(&all[..1], &args(false, false, Format::parse("json").unwrap())).unwrap(), @r#"{"Repository":"busybox","Tag":"latest","ID":"a56145270ce6","CreatedAt":"2023-11-01 00:00:00","Size":"4.26MB"}"#);
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
