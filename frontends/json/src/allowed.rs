//! What of the build context may be used: the tree `files` at the top of a pipeline.
//!
//! Names lie in each other as directories do. `"/": "directory"` in one of them allows all that is below it; `"directory"` as the
//! value of a name says the same in short, and `"file"` allows a single file.

use std::collections::BTreeMap;
use std::path::Path;

use stromatekt_graph::path;
use stromatekt_pipeline::{Document, Item, Kind, Problem};

/// The part of a directory that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// All that is below it.
    Everything,
    /// It itself, if it is no directory.
    File,
    /// These names in it.
    Names(BTreeMap<String, Allowed>),
}

/// The name under which a directory says that all below it may be used.
const BELOW: &str = "/";

/// What a pipeline allows.
///
/// # Errors
/// When it is no map, or its `files` are not as they should be.
pub fn allowed(document: &Document) -> Result<Allowed, Problem> {
    match document.top().fields("a pipeline")?.take("files") {
        Some(item) => Allowed::read(&item),
        None => Ok(Allowed::Names(BTreeMap::new())),
    }
}

impl Allowed {
    /// Reads a directory's value.
    fn read(item: &Item<'_>) -> Result<Self, Problem> {
        let mut names = BTreeMap::new();
        let mut is_everything = false;
        for entry in item.entries()? {
            let name = entry.name;
            if name == BELOW {
                entry.item.word("value of \"/\"", &[("directory", ())])?;
                is_everything = true;
                continue;
            }
            let is_name = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
            if !is_name {
                let problem = entry.name_place.problem(format!(
                    "`{}` is no name of a file or directory",
                    name.escape_debug()
                ));
                return Err(
                    problem.help("names lie in each other: {\"src\": {\"main.c\": \"file\"}}")
                );
            }
            let words = [("file", true), ("directory", false)];
            let inner = match entry.item.kind() {
                Kind::String(_) => match entry.item.word("value of a name", &words)? {
                    true => Self::File,
                    false => Self::Everything,
                },
                _ => Self::read(&entry.item)?,
            };
            names.insert(name.to_owned(), inner);
        }
        Ok(match is_everything {
            true => Self::Everything,
            false => Self::Names(names),
        })
    }

    /// Whether a path or pattern of the context, and all that is below it, may be used.
    pub(crate) fn allows(&self, pattern: &str) -> bool {
        let clean = path::clean(&format!("/{pattern}"));
        let mut parts = clean.split('/').filter(|part| !part.is_empty());
        let end = self.at(|| {
            // A pattern may stand for anything in its directory.
            parts
                .next()
                .map(|part| Some(part).filter(|part| !is_pattern(part)))
        });
        matches!(end, Some(Self::Everything | Self::File))
    }

    /// Whether an entry of the context is there for those who may use no more than this: it may be used, or leads to what may.
    #[must_use]
    pub fn shows(&self, path: &Path, is_directory: bool) -> bool {
        let mut parts = path.components();
        match self.at(|| parts.next().map(|part| part.as_os_str().to_str())) {
            Some(Self::Everything) => true,
            Some(Self::File) => !is_directory,
            Some(Self::Names(_)) => is_directory,
            None => false,
        }
    }

    /// What is said of a path; of a part of it that is nothing, nothing can be said.
    fn at<'p>(&self, mut parts: impl FnMut() -> Option<Option<&'p str>>) -> Option<&Self> {
        let mut here = self;
        while let Some(part) = parts() {
            here = match here {
                Self::Everything => return Some(here),
                Self::File => return None,
                Self::Names(names) => names.get(part?)?,
            };
        }
        Some(here)
    }

    /// What must be added so that a path may be used, as JSON.
    pub(crate) fn way_out(pattern: &str) -> String {
        let clean = path::clean(&format!("/{pattern}"));
        let parts: Vec<&str> = clean.split('/').filter(|part| !part.is_empty()).collect();
        let literal: Vec<&str> = parts
            .iter()
            .copied()
            .take_while(|part| !is_pattern(part))
            .collect();
        let start = r#"{"/": "directory"}"#.to_owned();
        literal.iter().rev().fold(start, |inner, part| {
            format!("{{{}: {inner}}}", serde_json::Value::from(*part))
        })
    }
}

fn is_pattern(part: &str) -> bool {
    part.contains(['*', '?', '[', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use stromatekt_pipeline::Document;

    fn read(text: &str) -> Result<Allowed, Problem> {
        let document = Document::parse_json("p.json", text).expect(text);
        Allowed::read(&document.top())
    }

    #[test]
    fn a_directory_allows_what_it_says() {
        let files = r#"{"src": {"/": "directory"}, "Cargo.toml": "file", "doc": {"a": {"b": "directory"}}, "empty": {}}"#;
        let allowed = read(files).expect(files);
        for path in [
            "src",
            "/src/",
            "./src/main.rs",
            "src/*.rs",
            "Cargo.toml",
            "doc/a/b/c",
            "doc/../src",
        ] {
            assert!(allowed.allows(path), "{path}");
        }
        for path in [
            ".",
            "",
            "doc",
            "doc/a",
            "doc/a/*",
            "*",
            "empty",
            "other",
            "src/../other",
            "Cargo.*",
            "Cargo.toml/x",
        ] {
            assert!(!allowed.allows(path), "{path}");
        }
        assert!(!read("{}").expect("a map").allows("anything"));
    }

    #[test]
    fn only_what_is_allowed_and_the_way_to_it_is_shown() {
        let files =
            r#"{"src": {"/": "directory"}, "Cargo.toml": "file", "doc": {"a": "directory"}}"#;
        let allowed = read(files).expect(files);
        for (path, is_directory, is_shown) in [
            ("", true, true),
            ("src", true, true),
            ("src/deep/file", false, true),
            ("src", false, true),
            ("Cargo.toml", false, true),
            ("Cargo.toml", true, false),
            ("Cargo.toml/x", false, false),
            ("doc", true, true),
            // A link may lead anywhere.
            ("doc", false, false),
            ("doc/b", false, false),
            ("other", true, false),
        ] {
            let shown = allowed.shows(Path::new(path), is_directory);
            assert_eq!(shown, is_shown, "{path} {is_directory}");
        }
    }

    #[test]
    fn the_way_out_names_what_to_add() {
        assert_eq!(
            Allowed::way_out("a/b/*.c"),
            r#"{"a": {"b": {"/": "directory"}}}"#
        );
        assert_eq!(Allowed::way_out("."), r#"{"/": "directory"}"#);
    }

    #[test]
    fn names_and_values_that_cannot_be_are_told() {
        for text in [
            r#"{"a/b": "file"}"#,
            r#"{"/": "file"}"#,
            r#"{"a": "socket"}"#,
            r#"{"a": 1}"#,
            r#"{"..": {}}"#,
            r#"{"a\u0000": {}}"#,
            "[]",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
