//! Lists what of a directory and everything below it is taken.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use stromatekt_kernel::{FileKind, Stat, entry};

use crate::error::{Error, Result};
use crate::patterns::{Matched, PatternList};
use crate::select::Source;

/// A directory that is taken.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    /// Where it is below the directory that the walk began with, which itself has the empty path.
    pub path: PathBuf,
    /// What it is.
    pub stat: Stat,
    /// Whether it is taken for its own sake, and not only because something below it is.
    pub included: bool,
    /// What it has that is no directory.
    pub items: Vec<Item>,
}

/// An entry that is no directory.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Its name.
    pub name: OsString,
    /// What it is.
    pub stat: Stat,
}

/// Which entries are taken, by their paths below the directory that the walk begins with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// Only these, where there is a list.
    pub include: Option<PatternList>,
    /// None of these.
    pub exclude: PatternList,
}

/// A directory in the making.
struct Seen {
    folder: Folder,
    parent: usize,
    /// Whether it is there, for somebody who does not see what the filter leaves out.
    exists: bool,
    /// Which patterns matched it.
    matched: (Matched, Matched),
}

/// The directory at `base`, which is a path without symbolic links, and all directories below it with what they have; each after the one
/// that holds it. Without any, `base` is left out by the filter.
pub(crate) fn walk(
    source: &Source<'_>,
    base: &Path,
    stat: Stat,
    choice: &Choice,
) -> Result<Vec<Folder>> {
    let is_ignored = |path: &Path, is_dir| {
        let ignored = |filter: &dyn crate::ignore::IgnoreFilter| filter.ignored(path, is_dir);
        !path.as_os_str().is_empty() && source.ignore.is_some_and(ignored)
    };
    let mut seen = vec![Seen {
        folder: Folder {
            path: PathBuf::new(),
            stat,
            included: true,
            items: Vec::new(),
        },
        parent: 0,
        exists: !is_ignored(base, true),
        matched: Default::default(),
    }];
    let mut rest = vec![0];
    while let Some(index) = rest.pop() {
        let path = seen[index].folder.path.clone();
        let full = base.join(&path);
        let dir = source
            .root
            .open_dir_no_symlinks(&full)
            .map_err(Error::read(&full))?;
        let listed = dir.try_clone().map_err(Error::read(&full))?;
        for found in entry::read_dir_fd(listed).map_err(Error::read(&full))? {
            let path = path.join(&found.name);
            let full = full.join(&found.name);
            let is_dir = found.kind == FileKind::Directory;
            let ignored = is_ignored(&full, is_dir);
            if ignored && (!is_dir || source.ignore.is_some_and(|filter| filter.prune(&full))) {
                continue;
            }
            let (included, matched) = choice.takes(&path, &seen[index]);
            if !is_dir {
                // That it is there tells that the directories above it are.
                seen[index].exists = true;
                if included && let Some(stat) = stat_of(&dir, &found.name, &full)? {
                    seen[index].folder.items.push(Item {
                        name: found.name,
                        stat,
                    });
                }
                continue;
            }
            // A directory that is left out by the filter must be read to know whether it is there.
            if !included && !ignored && !choice.may_take_below(&path, &matched) {
                seen[index].exists = true;
                continue;
            }
            let Some(stat) = stat_of(&dir, &found.name, &full)? else {
                continue;
            };
            rest.push(seen.len());
            seen.push(Seen {
                folder: Folder {
                    path,
                    stat,
                    included,
                    items: Vec::new(),
                },
                parent: index,
                exists: !ignored,
                matched,
            });
        }
    }
    Ok(taken(seen))
}

/// The directories that are there and are taken themselves or hold something that is.
fn taken(mut seen: Vec<Seen>) -> Vec<Folder> {
    let mut needed: Vec<bool> = seen
        .iter()
        .map(|one| one.folder.included || !one.folder.items.is_empty())
        .collect();
    // Those below come after those above.
    for index in (1..seen.len()).rev() {
        let parent = seen[index].parent;
        if seen[index].exists {
            seen[parent].exists = true;
            needed[parent] |= needed[index];
        }
    }
    seen.into_iter()
        .zip(needed)
        .filter(|(one, needed)| one.exists && *needed)
        .map(|(one, _)| one.folder)
        .collect()
}

/// What the entry is; nothing where it is gone already, as if it had never been there.
fn stat_of(dir: impl AsFd, name: &OsString, path: &Path) -> Result<Option<Stat>> {
    match entry::lstatat(dir, name) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(path)(error)),
    }
}

impl Choice {
    /// Whether an entry is taken, and which patterns matched it, given its directory.
    fn takes(&self, path: &Path, dir: &Seen) -> (bool, (Matched, Matched)) {
        // The directory that the walk begins with is matched by nothing.
        let is_top = dir.folder.path.as_os_str().is_empty();
        let parent = (!is_top).then_some(&dir.matched);
        let (included, include) = match &self.include {
            Some(patterns) => patterns.matches_below(path, parent.map(|(include, _)| include)),
            None => (true, Matched::new()),
        };
        if self.exclude.is_empty() {
            return (included, (include, Matched::new()));
        }
        let (excluded, exclude) = self
            .exclude
            .matches_below(path, parent.map(|(_, exclude)| exclude));
        (included && !excluded, (include, exclude))
    }

    /// Whether something below a directory that is not taken may be.
    fn may_take_below(&self, path: &Path, (include, exclude): &(Matched, Matched)) -> bool {
        let may_be_included = match &self.include {
            Some(patterns) => include.contains(&true) || patterns.match_below(path),
            None => true,
        };
        // An exclusion that did not match the directory may match what is below it, or not.
        let may_be_left = !exclude.contains(&true) || self.exclude.exception_below(path);
        may_be_included && may_be_left
    }
}
