//! What of the build context may be used: the tree `files` at the top of a pipeline.
//!
//! Names lie in each other as directories do. `"/": "directory"` in one of them allows all that is below it; `"directory"` as the
//! value of a name says the same in short, and `"file"` allows a single file.

use std::collections::BTreeMap;

use stromatekt_graph::path;
use stromatekt_pipeline::{Item, Kind, Problem};

/// The part of a directory that may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// All of it.
    everything: bool,
    /// What is in it, by name.
    names: BTreeMap<String, Allowed>,
}

/// The name under which a directory says that all below it may be used.
const BELOW: &str = "/";

impl Allowed {
    /// Reads a directory's value.
    pub fn read(item: &Item<'_>) -> Result<Self, Problem> {
        let mut allowed = Self::default();
        for entry in item.entries()? {
            let name = entry.name;
            let is_text = matches!(entry.item.kind(), Kind::String(_));
            if name == BELOW {
                entry.item.word("value of \"/\"", &[("directory", ())])?;
                allowed.everything = true;
                continue;
            }
            if name.is_empty() || name == "." || name == ".." || name.contains('/') {
                let problem = entry
                    .name_place
                    .problem(format!("`{name}` is no name of a file or directory"));
                return Err(
                    problem.help("names lie in each other: {\"src\": {\"main.c\": \"file\"}}")
                );
            }
            let inner = match is_text {
                true => {
                    entry
                        .item
                        .word("value of a name", &[("file", ()), ("directory", ())])?;
                    Self {
                        everything: true,
                        names: BTreeMap::new(),
                    }
                }
                false => Self::read(&entry.item)?,
            };
            allowed.names.insert(name.to_owned(), inner);
        }
        Ok(allowed)
    }

    /// Whether a path or pattern of the context, and all that is below it, may be used.
    pub fn allows(&self, pattern: &str) -> bool {
        let clean = path::clean(&format!("/{pattern}"));
        let mut here = self;
        for part in clean.split('/').filter(|part| !part.is_empty()) {
            if here.everything {
                return true;
            }
            // A pattern may stand for anything in its directory.
            match here.names.get(part) {
                Some(inner) if !is_pattern(part) => here = inner,
                _ => return false,
            }
        }
        here.everything
    }

    /// What must be added so that a path may be used, as JSON.
    pub fn way_out(pattern: &str) -> String {
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

    fn allowed(text: &str) -> Result<Allowed, Problem> {
        let document = Document::parse_json("p.json", text).expect(text);
        Allowed::read(&document.top())
    }

    #[test]
    fn a_directory_allows_what_it_says() {
        let files = r#"{"src": {"/": "directory"}, "Cargo.toml": "file", "doc": {"a": {"b": "directory"}}, "empty": {}}"#;
        let allowed = allowed(files).expect(files);
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
        ] {
            assert!(!allowed.allows(path), "{path}");
        }
        assert!(!Allowed::default().allows("anything"));
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
            "[]",
        ] {
            assert!(allowed(text).is_err(), "{text}");
        }
    }
}
