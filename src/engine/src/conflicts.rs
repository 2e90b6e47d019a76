//! Whether changesets may be stacked in any order: no two of them leave different things at one path.

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

fn between<'a>(
    a: &'a Side,
    of_a: &BTreeSet<&'a Path>,
    b: &'a Side,
    of_b: &BTreeSet<&'a Path>,
) -> Result<BTreeSet<&'a Path>> {
    let mut found = BTreeSet::new();
    for path in of_a.intersection(of_b) {
        if !is_equal(&a.upper, &b.upper, path)? {
            found.insert(*path);
        }
    }
    for (removed, changed) in [(a, &b.changes.changed), (b, &a.changes.changed)] {
        for gone in &removed.changes.removed {
            let below = changed.range(gone.clone()..);
            let below = below.take_while(|path| path.starts_with(gone));
            // What both replaced by the same is no conflict.
            let replaced = removed.changes.changed.contains(gone);
            found.extend(
                below
                    .filter(|path| !(replaced && *path == gone))
                    .map(PathBuf::as_path),
            );
        }
    }
    Ok(found)
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

/// Whether two trees have the same at a path: for directories, that they are one with the same owner and mode.
fn is_equal(a: &Root, b: &Root, path: &Path) -> Result<bool> {
    let look = |root: &Root| root.lstat(path).map_err(Error::file("look at", path));
    let (one, other) = (look(a)?, look(b)?);
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
