//! A comparison for people.

use std::fmt::Write;

use crate::comparison::{Comparison, Difference, Kind};

/// The widest column of values that stand side by side.
const COLUMN: usize = 48;
/// How many paths are listed.
const MAX_PATHS: usize = 200;

/// What is shown of what differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Layer by layer; otherwise only in how many places layers differ.
    pub layers: bool,
    /// The history, entry by entry; otherwise only in how many places it differs.
    pub history: bool,
}

/// What differs between two images, for people: fields side by side, paths with `-` (only left), `+` (only right) and `~`
/// (different), and what was expected to differ, by class. Ends with one line that says whether the images are the same.
#[must_use]
pub fn render(comparison: &Comparison, detail: Detail) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "- {}\n+ {}", comparison.left, comparison.right);
    let of = |kinds: &[Kind]| -> Vec<&Difference> {
        let all = comparison.differences.iter();
        all.filter(|difference| kinds.contains(&difference.kind))
            .collect()
    };
    table(&mut out, "config", &of(&[Kind::Config]));
    table(&mut out, "manifest", &of(&[Kind::Manifest]));
    let history = of(&[Kind::History]);
    match detail.history {
        true => blocks(&mut out, "history", &history),
        false => counted(&mut out, "history", &history, "--history"),
    }
    let layers = of(&[Kind::Layers, Kind::Layer]);
    match detail.layers {
        true => paths(&mut out, "layers", &layers),
        false => {
            let (number, entries): (Vec<_>, Vec<_>) = layers
                .into_iter()
                .partition(|difference| difference.kind == Kind::Layers);
            paths(&mut out, "layers", &number);
            counted(&mut out, "entries of layers", &entries, "--layers");
        }
    }
    let is_of_root = |difference: &&Difference| {
        !matches!(
            difference.kind,
            Kind::Config | Kind::Manifest | Kind::History | Kind::Layers | Kind::Layer
        )
    };
    let root: Vec<_> = comparison.differences.iter().filter(is_of_root).collect();
    paths(&mut out, "root filesystem", &root);
    noise(&mut out, comparison);
    let _ = match comparison.differences.len() {
        0 if comparison.noise.is_empty() => writeln!(out, "\nthe images are the same"),
        0 => writeln!(
            out,
            "\nthe images are the same, but for what is expected to differ"
        ),
        1 => writeln!(out, "\nthe images differ in one place"),
        count => writeln!(out, "\nthe images differ in {count} places"),
    };
    out
}

fn side(value: Option<&String>) -> String {
    value.map_or_else(|| "(none)".to_owned(), |value| escaped(value))
}

/// A value on one line.
fn escaped(value: &str) -> String {
    crate::text::printable(value.as_bytes()).replace("\\\\", "\\")
}

/// Fields side by side, or below each other where they are long.
fn table(out: &mut String, title: &str, differences: &[&Difference]) {
    if differences.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    let rows: Vec<[String; 3]> = differences
        .iter()
        .map(|difference| {
            let place = difference.place.strip_prefix("config.");
            [
                place.unwrap_or(&difference.place).to_owned(),
                side(difference.left.as_ref()),
                side(difference.right.as_ref()),
            ]
        })
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.filter(|width| *width <= COLUMN).max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    for [place, left, right] in &rows {
        let is_wide = [place, left, right]
            .iter()
            .any(|text| text.chars().count() > COLUMN);
        let _ = match is_wide {
            true => writeln!(out, "  ~ {place}\n      - {left}\n      + {right}"),
            false => writeln!(out, "  ~ {place:first$}  {left:second$}  {right}"),
        };
    }
}

/// Entries below each other.
fn blocks(out: &mut String, title: &str, differences: &[&Difference]) {
    if differences.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    for difference in differences {
        let _ = writeln!(
            out,
            "  ~ {}\n      - {}\n      + {}",
            difference.place,
            side(difference.left.as_ref()),
            side(difference.right.as_ref())
        );
    }
}

fn counted(out: &mut String, title: &str, differences: &[&Difference], option: &str) {
    let _ = match differences.len() {
        0 => Ok(()),
        1 => writeln!(out, "\n{title}: 1 difference ({option} shows it)"),
        count => writeln!(out, "\n{title}: {count} differences ({option} shows them)"),
    };
}

fn paths(out: &mut String, title: &str, differences: &[&Difference]) {
    if differences.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    // A directory that one side has stands for all that is in it.
    let mut directory: Option<(Kind, String)> = None;
    let mut below = 0;
    let mut listed = 0;
    let mut left_out = 0;
    for difference in differences {
        if let (Some((kind, prefix)), Some(path)) = (&directory, &difference.path)
            && *kind == difference.kind
            && path.starts_with(prefix.as_str())
        {
            below += 1;
            continue;
        }
        finish(out, &mut below);
        directory = None;
        if listed == MAX_PATHS {
            left_out += 1;
            continue;
        }
        listed += 1;
        let sign = match difference.kind {
            _ if difference.left.is_none() => '+',
            _ if difference.right.is_none() => '-',
            _ => '~',
        };
        let one = difference.left.as_ref().or(difference.right.as_ref());
        let _ = match (&difference.left, &difference.right) {
            (Some(left), Some(right)) => writeln!(
                out,
                "  {sign} {}: {} -> {}",
                difference.place,
                escaped(left),
                escaped(right)
            ),
            _ => writeln!(out, "  {sign} {}  ({})", difference.place, side(one)),
        };
        for line in difference.text.iter().flat_map(|text| text.lines()) {
            let _ = writeln!(out, "      {line}");
        }
        if matches!(difference.kind, Kind::Added | Kind::Missing)
            && one.is_some_and(|one| one.starts_with("directory"))
            && let Some(path) = &difference.path
        {
            directory = Some((difference.kind, format!("{}/", path.trim_end_matches('/'))));
        }
    }
    finish(out, &mut below);
    if left_out > 0 {
        let _ = writeln!(out, "  … {left_out} more (--json has them all)");
    }
}

/// Tells how many paths were not listed, for the directory that they are in was.
fn finish(out: &mut String, below: &mut usize) {
    if *below > 0 {
        let _ = writeln!(out, "      … and {below} below it");
    }
    *below = 0;
}

fn noise(out: &mut String, comparison: &Comparison) {
    if comparison.noise.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\nexpected to differ, and not counted (--strict counts them)"
    );
    let width = comparison.noise.keys().map(|class| class.name().len());
    let width = width.max().unwrap_or(0);
    for (class, differences) in &comparison.noise {
        let count = differences.len();
        let name = class.name();
        let _ = writeln!(out, "  {name:width$}  {count:>5}  {}", class.reason());
    }
}
