//! Finds the entry of a source that a path names, as somebody who sees only what its filter leaves would.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use stromatekt_kernel::{Root, Stat};

use crate::error::{Error, Result};
use crate::select::Source;

/// How many symbolic links are followed before they are called a loop: as many as the kernel does.
const MAX_SYMLINKS: usize = 40;

/// Directories with more entries than this are not searched for names that a user may have meant.
const MAX_NAMES: usize = 10_000;

/// An entry of a source.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    /// Where it is, without symbolic links; empty for the root.
    pub path: PathBuf,
    /// What it is.
    pub stat: Stat,
}

/// What `path` names after all symbolic links, the last one too; nothing where there is nothing.
///
/// A directory that the filter leaves out is found where something below it may be left in.
pub(crate) fn locate(source: &Source<'_>, path: &Path) -> Result<Option<Located>> {
    let Some(path) = resolve(source, path)? else {
        return Ok(None);
    };
    let stat = match source.root.lstat(&path) {
        Ok(stat) => stat,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(Error::read(&path)(error)),
    };
    let is_hidden = source.ignore.is_some_and(|ignore| {
        !path.as_os_str().is_empty()
            && ignore.ignored(&path, stat.is_dir())
            && (!stat.is_dir() || ignore.prune(&path))
    });
    Ok((!is_hidden).then_some(Located { path, stat }))
}

/// [`Root::resolve`] where links that the filter leaves out are not there.
fn resolve(source: &Source<'_>, path: &Path) -> Result<Option<PathBuf>> {
    let mut resolved = PathBuf::new();
    let mut links = 0;
    // Components still to walk, the next one last.
    let mut rest = steps(path);
    while let Some(step) = rest.pop() {
        if step == ".." {
            resolved.pop();
            continue;
        }
        resolved.push(&step);
        let target = match source.root.read_link(&resolved) {
            Ok(target) => target,
            // No link.
            Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => continue,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(Error::read(&resolved)(error)),
        };
        if source
            .ignore
            .is_some_and(|ignore| ignore.ignored(&resolved, false))
        {
            return Ok(None);
        }
        links += 1;
        if links > MAX_SYMLINKS {
            return Err(Error::Read {
                path: path.to_owned(),
                source: Errno::ELOOP.into(),
            });
        }
        if target.is_absolute() {
            resolved.clear();
        } else {
            resolved.pop();
        }
        rest.extend(steps(&target));
    }
    Ok(Some(resolved))
}

/// The components of a path, the last one first.
fn steps(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The error for a path that names nothing: with the rule that leaves it out, or a name that the user may have meant.
pub(crate) fn not_found(source: &Source<'_>, path: &Path) -> Error {
    let path: &Path = &path
        .components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .collect::<PathBuf>();
    let pattern = path.to_string_lossy().into_owned();
    let ignored = source
        .ignore
        .filter(|_| source.root.exists(path).unwrap_or(false))
        .and_then(|ignore| ignore.reason(path));
    let similar = match ignored {
        Some(_) => None,
        None => similar(source, path),
    };
    Error::NotFound {
        pattern,
        ignored,
        similar,
    }
}

/// The entry whose name is nearest to the last component of a path, in the directory that should have it.
fn similar(source: &Source<'_>, path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let parent = path.parent()?;
    let is_hidden = |path: &Path| {
        source
            .ignore
            .is_some_and(|ignore| ignore.ignored(path, false))
    };
    let names = names(source.root, parent)?;
    let (_, nearest) = names
        .iter()
        .filter_map(|other| Some((distance(name, other)?, other)))
        // A link by this very name leads to nothing that is there.
        .filter(|(_, other)| *other != name && !is_hidden(&parent.join(other)))
        .min()?;
    Some(parent.join(nearest).to_string_lossy().into_owned())
}

fn names(root: &Root, parent: &Path) -> Option<Vec<String>> {
    let entries = root.read_dir(parent).ok()?;
    if entries.len() > MAX_NAMES {
        return None;
    }
    Some(
        entries
            .into_iter()
            .filter_map(|entry| entry.name.into_string().ok())
            .collect(),
    )
}

/// How many characters must be added, removed or replaced to make one name of the other, but for case; nothing where they are too far
/// apart to be meant for each other.
fn distance(name: &str, other: &str) -> Option<usize> {
    let chars = |name: &str| name.to_lowercase().chars().collect::<Vec<_>>();
    let (name, other) = (chars(name), chars(other));
    let limit = (name.len() / 3).clamp(1, 3);
    if name.len().abs_diff(other.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in name.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    // A name of which nothing is left is no misspelling.
    row.last()
        .copied()
        .filter(|distance| *distance <= limit && *distance < name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_when_few_characters_differ() {
        for (name, other, expected) in [
            ("package.json", "package.json", Some(0)),
            ("package.json", "pakage.json", Some(1)),
            ("Makefile", "makefile", Some(0)),
            ("src", "scr", None),
            ("src", "srcs", Some(1)),
            ("a", "b", None),
            ("requirements.txt", "requirement.txt", Some(1)),
            ("go.mod", "go.sum", None),
            ("go.mod", "main.rs", None),
        ] {
            assert_eq!(distance(name, other), expected, "{name} and {other}");
        }
    }
}
