//! Whether changesets may be stacked: no two of them leave different things at one path, unless the later one began with what the earlier
//! one left.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use stromatekt_kernel::beneath::OFlag;
use stromatekt_kernel::{FileKind, Root, Stat};
use stromatekt_oci::changeset::Changeset;

use crate::error::{Error, Result};

/// How many paths an error names.
const NAMED: usize = 5;

/// A changeset of a stack.
pub(crate) struct Side {
    /// What the user knows it by.
    pub name: String,
    /// Where it changes its tree.
    pub changes: Changeset,
    /// The tree before it; the empty tree where absent.
    pub lower: Option<Root>,
    /// The tree after it.
    pub upper: Root,
}

/// Fails at the first two changesets that leave different things at some path.
///
/// A layer has the directories above each of its entries, too: those must have one owner and mode in both.
pub(crate) fn refuse(sides: &[Side]) -> Result<()> {
    let written: Vec<BTreeSet<&Path>> = sides.iter().map(written).collect();
    for (index, later) in sides.iter().enumerate() {
        for (below, earlier) in sides[..index].iter().enumerate() {
            let paths = between(earlier, &written[below], later, &written[index])?;
            if !paths.is_empty() {
                return Err(Error::Conflict {
                    first: earlier.name.clone(),
                    second: later.name.clone(),
                    paths: listed(&paths),
                });
            }
        }
    }
    Ok(())
}

/// The paths of the entries that the layer of a changeset has.
fn written(side: &Side) -> BTreeSet<&Path> {
    let Changeset { changed, removed } = &side.changes;
    let above = changed
        .iter()
        .chain(removed)
        .flat_map(|path| path.ancestors().skip(1));
    let mut paths: BTreeSet<&Path> = above.collect();
    paths.extend(changed.iter().map(PathBuf::as_path));
    // No layer has the root itself.
    paths.remove(Path::new(""));
    paths
}

/// The paths at which the later of two changesets hides what the earlier one did there.
fn between<'a>(
    earlier: &'a Side,
    of_earlier: &BTreeSet<&'a Path>,
    later: &'a Side,
    of_later: &BTreeSet<&'a Path>,
) -> Result<BTreeSet<&'a Path>> {
    let mut candidates: BTreeSet<&Path> = of_earlier.intersection(of_later).copied().collect();
    candidates.extend(removed_by(earlier, later));
    candidates.extend(removed_by(later, earlier));
    let mut found = BTreeSet::new();
    for path in candidates {
        let agrees_with = |root| is_equal(&earlier.upper, root, path);
        if !agrees_with(Some(&later.upper))? && !agrees_with(later.lower.as_ref())? {
            found.insert(path);
        }
    }
    Ok(found)
}

/// What one changed where another one removed something.
fn removed_by<'a>(one: &'a Side, other: &'a Side) -> impl Iterator<Item = &'a Path> {
    let removed = one.changes.removed.iter();
    removed.flat_map(|gone| {
        let below = other.changes.changed.range(gone.clone()..);
        below
            .take_while(move |path| path.starts_with(gone))
            .map(PathBuf::as_path)
    })
}

fn listed(paths: &BTreeSet<&Path>) -> String {
    let mut names: Vec<String> = paths
        .iter()
        .take(NAMED)
        .map(|path| format!("/{}", path.display()))
        .collect();
    if let Some(more) = paths.len().checked_sub(NAMED).filter(|more| *more > 0) {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// Whether two trees have the same at a path: for directories, that they are one with the same owner and mode; or neither has anything.
fn is_equal(a: &Root, b: Option<&Root>, path: &Path) -> Result<bool> {
    let (one, other) = (look(Some(a), path)?, look(b, path)?);
    let (one, other, b) = match (one, other, b) {
        (Some(one), Some(other), Some(b)) => (one, other, b),
        (one, other, _) => return Ok(one.is_none() && other.is_none()),
    };
    let attributes = |stat: &Stat| (stat.kind, stat.mode, stat.uid, stat.gid);
    if attributes(&one) != attributes(&other) {
        return Ok(false);
    }
    let failed = Error::file("read", path);
    Ok(match one.kind {
        FileKind::Directory | FileKind::Fifo | FileKind::Socket => true,
        FileKind::Symlink => {
            let (one, other) = (a.read_link(path), b.read_link(path));
            match (one, other) {
                (Ok(one), Ok(other)) => one == other,
                (Err(error), _) | (_, Err(error)) => return Err(failed(error)),
            }
        }
        FileKind::CharDevice | FileKind::BlockDevice => one.rdev == other.rdev,
        FileKind::File => one.size == other.size && has_same_bytes(a, b, path).map_err(failed)?,
    })
}

/// What a tree has at a path.
fn look(root: Option<&Root>, path: &Path) -> Result<Option<Stat>> {
    let Some(root) = root else {
        return Ok(None);
    };
    match root.lstat(path) {
        Ok(stat) => Ok(Some(stat)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::file("look at", path)(error)),
    }
}

fn has_same_bytes(a: &Root, b: &Root, path: &Path) -> io::Result<bool> {
    let open = |root: &Root| {
        let file = root.open_file(path, OFlag::O_RDONLY, 0)?;
        io::Result::Ok(BufReader::with_capacity(1 << 16, file))
    };
    let (mut one, mut other) = (open(a)?, open(b)?);
    loop {
        let (left, right) = (one.fill_buf()?, other.fill_buf()?);
        let length = left.len().min(right.len());
        if left[..length] != right[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(left.is_empty() && right.is_empty());
        }
        one.consume(length);
        other.consume(length);
    }
}
