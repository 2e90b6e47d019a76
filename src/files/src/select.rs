//! Finds what a copy takes from its source.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use stromatekt_graph::file::Copy;
use stromatekt_graph::path;
use stromatekt_kernel::{FileKind, Root, Stat};

use crate::error::{Error, Result};
use crate::glob::{self, Glob};
use crate::ignore::IgnoreFilter;
use crate::locate::{self, Located};
use crate::patterns::PatternList;
use crate::walk::{self, Choice, Folder};

/// A tree to copy from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// Its root directory.
    pub root: &'a Root,
    /// Who owns its files.
    pub owners: Owners,
    /// What of it is not part of the tree.
    pub ignore: Option<&'a dyn IgnoreFilter>,
}

/// Who owns the files of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// Whom the file system says: trees of stages and images.
    Kept,
    /// Root, whatever the file system says: build contexts and git repositories.
    Root,
}

/// What a copy takes from its source, in a fixed order.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub(crate) taken: Vec<Taken>,
    /// Whether the copy gives all files an owner, so that those of the source do not matter.
    pub(crate) owner_is_given: bool,
}

/// One path that a copy takes, with all below it.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// Its name in a destination that is a directory.
    pub name: OsString,
    /// Where it is in the source, without symbolic links.
    pub path: PathBuf,
    /// What it is.
    pub content: TakenContent,
}

/// What is at a path that a copy takes.
#[derive(Clone, Debug)]
pub(crate) enum TakenContent {
    /// No directory.
    File(Stat),
    /// A directory, itself the first, with all directories below it.
    Directory(Vec<Folder>),
}

impl Selection {
    /// How many regular files there are, and how many bytes in them.
    #[must_use]
    pub fn size(&self) -> (usize, u64) {
        self.taken
            .iter()
            .flat_map(Taken::stats)
            .filter(|stat| stat.kind == FileKind::File)
            .fold((0, 0), |(count, bytes), stat| {
                (count + 1, bytes + stat.size)
            })
    }
}

impl Taken {
    /// All that is no directory.
    fn stats(&self) -> Box<dyn Iterator<Item = &Stat> + '_> {
        match &self.content {
            TakenContent::File(stat) => Box::new(std::iter::once(stat)),
            TakenContent::Directory(folders) => Box::new(
                folders
                    .iter()
                    .flat_map(|folder| &folder.items)
                    .map(|item| &item.stat),
            ),
        }
    }
}

/// Finds what a copy of these patterns (those of a [`CopySource::Tree`](stromatekt_graph::file::CopySource::Tree)) takes from its source.
///
/// A path without wildcards must lead to something; a pattern may match nothing. Symbolic links are followed on the way to what is taken
/// and at its end, and kept within it.
pub fn select(source: &Source<'_>, patterns: &[String], copy: &Copy) -> Result<Selection> {
    let mut taken = Vec::new();
    for pattern in patterns {
        if copy.parents {
            select_with_parents(source, pattern, copy, &mut taken)?;
        } else {
            let choice = Choice {
                include: None,
                exclude: PatternList::new(&copy.exclude)?,
            };
            for found in matches(source, pattern)? {
                match take(source, found, &choice)? {
                    Some(one) => {
                        if !copy.exclude.is_empty() {
                            refuse_dangling(source, &one)?;
                        }
                        taken.push(one);
                    }
                    None if glob::has_wildcard(pattern) => {}
                    None => return Err(locate::not_found(source, Path::new(pattern))),
                }
            }
        }
    }
    Ok(Selection {
        taken,
        owner_is_given: copy.owner.is_some(),
    })
}

/// With `--parents` all of the tree, or of what is before `/./`, is copied with the rest of the path as the only pattern of what is taken.
fn select_with_parents(
    source: &Source<'_>,
    pattern: &str,
    copy: &Copy,
    taken: &mut Vec<Taken>,
) -> Result<()> {
    let (above, kept) = pattern.split_once("/./").unwrap_or((".", pattern));
    let kept = path::clean(&format!("/{kept}"));
    let kept = kept.trim_start_matches('/');
    let choice = Choice {
        include: Some(PatternList::new([kept])?),
        exclude: PatternList::new(&copy.exclude)?,
    };
    let mut is_anything_included = false;
    for found in matches(source, above)? {
        let Some(one) = take(source, found, &choice)? else {
            continue;
        };
        refuse_dangling(source, &one)?;
        is_anything_included |= match &one.content {
            // Nothing is below a file.
            TakenContent::File(_) => false,
            TakenContent::Directory(folders) => folders
                .iter()
                .enumerate()
                .any(|(index, folder)| !folder.items.is_empty() || folder.included && index > 0),
        };
        taken.push(one);
    }
    if !is_anything_included && !glob::has_wildcard(pattern) {
        return Err(locate::not_found(source, &Path::new(above).join(kept)));
    }
    Ok(())
}

/// What is found at a path, with its name.
struct Match {
    name: OsString,
    located: Located,
}

/// What a path or a pattern leads to, by name.
fn matches(source: &Source<'_>, pattern: &str) -> Result<Vec<Match>> {
    let pattern = path::clean(&format!("/{pattern}"));
    let components: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let wild = components.iter().position(|part| glob::has_wildcard(part));
    let (prefix, rest) = components.split_at(wild.unwrap_or(components.len()));
    let prefix: PathBuf = prefix.iter().collect();
    let globs = rest
        .iter()
        .map(|part| Glob::new(part))
        .collect::<Result<Vec<_>>>()?;
    let Some(base) = locate::locate(source, &prefix)? else {
        return Err(locate::not_found(source, &prefix));
    };
    if globs.is_empty() {
        return Ok(vec![Match {
            name: prefix.file_name().unwrap_or_default().to_owned(),
            located: base,
        }]);
    }
    let mut found = Vec::new();
    if base.stat.is_dir() {
        expand(source, &base.path, &globs, &mut found)?;
    }
    Ok(found)
}

/// Adds what the patterns, one for each level of names, match in a directory. On the way only real directories count, as in BuildKit.
fn expand(source: &Source<'_>, dir: &Path, globs: &[Glob], found: &mut Vec<Match>) -> Result<()> {
    let Some((glob, rest)) = globs.split_first() else {
        return Ok(());
    };
    let names = source.root.read_dir(dir).map_err(Error::read(dir))?;
    for entry in names {
        if !glob.matches(entry.name.as_bytes()) {
            continue;
        }
        let path = dir.join(&entry.name);
        let is_dir = entry.kind == FileKind::Directory;
        if let Some(filter) = source.ignore
            && filter.ignored(&path, is_dir)
            && (!is_dir || filter.prune(&path))
        {
            continue;
        }
        if !rest.is_empty() {
            if is_dir {
                expand(source, &path, rest, found)?;
            }
            continue;
        }
        let Some(located) = locate::locate(source, &path)? else {
            // A link that leads nowhere.
            return Err(locate::not_found(source, &path));
        };
        found.push(Match {
            name: entry.name,
            located,
        });
    }
    Ok(())
}

/// What is taken of what was found; nothing where it is a directory that the filter leaves out with all below it.
fn take(source: &Source<'_>, found: Match, choice: &Choice) -> Result<Option<Taken>> {
    let Match { name, located } = found;
    let content = if located.stat.is_dir() {
        let folders = walk::walk(source, &located.path, located.stat, choice)?;
        if folders.is_empty() {
            return Ok(None);
        }
        TakenContent::Directory(folders)
    } else {
        TakenContent::File(located.stat)
    };
    Ok(Some(Taken {
        name,
        path: located.path,
        content,
    }))
}

/// Where patterns choose from the whole of a source, BuildKit follows the links at its top to compute their digests.
fn refuse_dangling(source: &Source<'_>, taken: &Taken) -> Result<()> {
    let TakenContent::Directory(folders) = &taken.content else {
        return Ok(());
    };
    if !taken.path.as_os_str().is_empty() {
        return Ok(());
    }
    let top = folders.first().into_iter().flat_map(|top| &top.items);
    for item in top.filter(|item| item.stat.kind == FileKind::Symlink) {
        let path = Path::new(&item.name);
        if locate::locate(source, path)?.is_none() {
            return Err(locate::not_found(source, path));
        }
    }
    Ok(())
}

/// Everything at `path` of a source, as it is.
pub(crate) fn all(source: &Source<'_>, path: &str) -> Result<Taken> {
    let path = Path::new(path);
    let not_found = || locate::not_found(source, path);
    let located = locate::locate(source, path)?.ok_or_else(not_found)?;
    let found = Match {
        name: path.file_name().unwrap_or_default().to_owned(),
        located,
    };
    take(source, found, &Choice::default())?.ok_or_else(not_found)
}
