//! One case: a folder with a Dockerfile, what it is about, and what its `case.yaml` adds.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::definition::{Definition, Reference};
use crate::error::{Error, Result};
use crate::pattern;
use crate::verdict::{Finding, Outcome, Verdict};

/// The file beside the Dockerfile.
pub const DEFINITION: &str = "case.yaml";

/// A case, as it lies in its folder.
#[derive(Clone, Debug)]
pub struct Case {
    /// `GROUP/NAME`.
    pub name: String,
    /// Its folder.
    pub directory: PathBuf,
    /// What it is about, in one sentence.
    pub point: String,
    /// What `case.yaml` says.
    pub definition: Definition,
}

impl Case {
    /// Reads the case in a folder.
    ///
    /// # Errors
    ///
    /// `case.yaml` does not say what it may, a file cannot be read, or there is no point.
    pub fn load(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(DEFINITION);
        let definition: Definition = match fs::read_to_string(&path) {
            // A file of comments alone says nothing, as one that is not there.
            Ok(text)
                if text
                    .lines()
                    .all(|line| line.trim_start().starts_with('#') || line.trim().is_empty()) =>
            {
                Definition::default()
            }
            Ok(text) => serde_yaml::from_str(&text).map_err(|error| Error::Definition {
                path: path.clone(),
                line: error.location().map(|location| location.line()),
                message: error.to_string(),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Definition::default(),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        let wrong = |message: &str| Error::Definition {
            path: path.clone(),
            line: None,
            message: message.to_owned(),
        };
        if definition.newest_only && definition.builders.is_some() {
            return Err(wrong("`newest-only` and `builders` exclude each other"));
        }
        if definition.newest_only && definition.expect.is_empty() && definition.fails.is_none() {
            return Err(wrong(
                "`newest-only` needs `expect` or `fails`: nothing else would be checked",
            ));
        }
        if definition.fails.is_some() && !definition.expect.is_empty() {
            return Err(wrong(
                "there is no image to `expect` anything of where the build `fails`",
            ));
        }
        if definition.builders.as_ref().is_some_and(Vec::is_empty) {
            return Err(wrong(
                "`builders` is empty; leave it out, or say `newest-only: true`",
            ));
        }
        let point = match &definition.point {
            Some(point) => point.trim().to_owned(),
            None => point_of(directory)?,
        };
        if point.is_empty() {
            return Err(Error::Pointless {
                path: directory.to_owned(),
            });
        }
        Ok(Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            point,
            definition,
        })
    }

    /// What it is about: the first part of its name.
    #[must_use]
    pub fn group(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// What it is compared with.
    #[must_use]
    pub fn references(&self) -> Vec<Reference> {
        if self.definition.newest_only {
            return Vec::new();
        }
        match &self.definition.builders {
            Some(builders) => builders.clone(),
            None => Reference::ALL.to_vec(),
        }
    }
}

/// All cases of a folder that match one of these patterns, or all where there is none; in the order of their names. One that is not
/// sound must not keep the others from being run.
///
/// # Errors
///
/// A folder cannot be read, or nothing matches.
pub fn corpus(directory: &Path, patterns: &[String]) -> Result<Corpus> {
    let mut corpus = Corpus::default();
    for group in folders(directory)? {
        for name in folders(&directory.join(&group))? {
            let full = format!("{group}/{name}");
            // `copy/` and `copy` are what a shell's completion leaves of `copy/*`.
            let wanted = |pattern: &String| {
                pattern::matches(pattern, &full) || pattern.trim_end_matches('/') == group
            };
            if patterns.is_empty() || patterns.iter().any(wanted) {
                match Case::load(&directory.join(&group).join(&name), &full) {
                    Ok(case) => corpus.cases.push(case),
                    Err(error) => corpus.unsound.push((full, error)),
                }
            }
        }
    }
    if corpus.cases.is_empty() && corpus.unsound.is_empty() {
        return Err(Error::NoCases {
            path: directory.to_owned(),
            patterns: patterns.join(" "),
        });
    }
    Ok(corpus)
}

/// What a folder of cases has.
#[derive(Debug, Default)]
pub struct Corpus {
    /// The cases.
    pub cases: Vec<Case>,
    /// The names of those that are not sound, with what is wrong.
    pub unsound: Vec<(String, Error)>,
}

impl Corpus {
    /// Those that are not sound, as cases that failed.
    #[must_use]
    pub fn failures(&self) -> Vec<Verdict> {
        let failed = |(name, error): &(String, Error)| Verdict {
            name: name.clone(),
            outcome: Outcome::Failed(vec![Finding::new(None, "case", error.to_string())]),
            times: BTreeMap::new(),
            accepted: Vec::new(),
            noise: BTreeMap::new(),
        };
        self.unsound.iter().map(failed).collect()
    }
}

fn folders(directory: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(Error::file("read", directory))? {
        let entry = entry.map_err(Error::file("read", directory))?;
        if entry.path().is_dir() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// The first comment of the Dockerfile that is no directive.
fn point_of(directory: &Path) -> Result<String> {
    let path = directory.join("Dockerfile");
    match fs::read(&path) {
        Ok(text) => Ok(first_comment(&String::from_utf8_lossy(&text)).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

fn first_comment(text: &str) -> Option<String> {
    text.trim_start_matches('\u{feff}')
        .lines()
        .find_map(|line| {
            let comment = line.trim_start().strip_prefix('#')?;
            if comment.starts_with('!') || is_directive(comment) {
                return None;
            }
            let comment = comment.trim_start_matches('#').trim();
            (!comment.is_empty()).then(|| comment.to_owned())
        })
}

/// Whether a comment reads `name=value` with a name that means something to a parser.
fn is_directive(comment: &str) -> bool {
    comment.split_once('=').is_some_and(|(name, _)| {
        ["syntax", "escape", "check"].contains(&name.trim().to_ascii_lowercase().as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_is_the_first_comment_that_is_no_directive() {
        for (text, expected) in [
            ("# The point.\nFROM a\n", Some("The point.")),
            (
                "# syntax = docker/dockerfile:1\n# escape=`\n\n#The point.\n# More.\n",
                Some("The point."),
            ),
            ("FROM a\n  # The point of A=1.\n", Some("The point of A=1.")),
            ("#!/bin/sh\n#\n# The point.\n", Some("The point.")),
            ("FROM a\n", None),
        ] {
            assert_eq!(first_comment(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_case_is_read_from_its_folder() {
        let folder = tempfile::tempdir().expect("there is room");
        fs::write(
            folder.path().join("Dockerfile"),
            "# It works.\nFROM busybox\n",
        )
        .expect("it is writable");
        let case = Case::load(folder.path(), "from/it").expect("it is sound");
        assert_eq!((case.point.as_str(), case.group()), ("It works.", "from"));
        assert_eq!(case.references(), [Reference::Buildkit, Reference::Classic]);

        for (text, says) in [
            ("newest-only: true\n", "needs `expect` or `fails`"),
            (
                "newest-only: true\nfails: true\nbuilders: [classic]\n",
                "exclude each other",
            ),
            ("fails: true\nexpect: {/a: absent}\n", "no image"),
            ("builders: []\n", "empty"),
            (
                "args: []\nbulders: [buildkit]\n",
                "case.yaml:2: unknown field `bulders`",
            ),
        ] {
            fs::write(folder.path().join(DEFINITION), text).expect("it is writable");
            let error = Case::load(folder.path(), "from/it")
                .expect_err(text)
                .to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_case_without_a_point_is_refused() {
        let folder = tempfile::tempdir().expect("there is room");
        fs::write(folder.path().join("Dockerfile"), "FROM busybox\n").expect("it is writable");
        assert!(matches!(
            Case::load(folder.path(), "from/it"),
            Err(Error::Pointless { .. })
        ));
    }
}
